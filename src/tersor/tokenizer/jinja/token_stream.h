// The tokens of a template as its parser takes them, and the limits on how deep it may go.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/lexer.h"

namespace tersor::jinja {

class TokenStream {
 public:
  using Type = Token::Type;

  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token next() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  int line() const { return current().line; }

  [[noreturn]] void fail(std::string message) const { throw SyntaxError{std::move(message), line()}; }
  [[noreturn]] void unexpected(std::string_view wanted) const {
    const Token& t = current();
    const std::string found = t.type == Type::kEnd      ? "the end of the template"
                              : t.type == Type::kData   ? "text"
                              : t.type == Type::kString ? "a string"
                                                        : fmt::format("`{}`", t.text);
    fail(fmt::format("expected {}, found {}", wanted, found));
  }

  // Moves on when the current token is the one asked for.
  bool take(std::string_view op) { return current().is(op) ? (next(), true) : false; }
  bool take_name(std::string_view name) { return current().is_name(name) ? (next(), true) : false; }
  void expect(std::string_view op) {
    if (!take(op)) unexpected(fmt::format("`{}`", op));
  }
  void expect_name(std::string_view name) {
    if (!take_name(name)) unexpected(fmt::format("`{}`", name));
  }
  void expect_type(Type type, std::string_view what) {
    if (current().type != type) unexpected(what);
    next();
  }
  std::string any_name() {
    if (current().type != Type::kName) unexpected("a name");
    return next().text;
  }

  // One level of brackets, operators or blocks; throws SyntaxError beyond what fits the stack.
  class Level {
   public:
    explicit Level(TokenStream& tokens) : tokens_(tokens) {
      if (++tokens_.depth_ > kMaxDepth) tokens_.fail("the template is nested too deeply");
    }
    ~Level() { --tokens_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    TokenStream& tokens_;
  };

 private:
  static constexpr int kMaxDepth = 200;

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace tersor::jinja
