// Runs a template's syntax tree.
#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tersor/tokenizer/jinja/ast.h"
#include "tersor/tokenizer/jinja/value.h"

namespace tersor::jinja {

// What stops a template that runs away; far above what a long conversation needs.
struct Limits {
  size_t output_bytes = size_t{64} << 20;
  uint64_t steps = 50'000'000;  // statements, expressions, values gone through, and text made, by 16 bytes
  int depth = 400;              // of blocks, expressions and calls inside each other
};

// The names of one block of the template, inside those of the blocks around it.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::map<std::string, Value, std::less<>> names;
};

// One rendering: not safe to share.
class Interpreter {
 public:
  // `now` is what strftime_now() writes, in local time.
  Interpreter(const Dict& context, std::time_t now, const Limits& limits = {});
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Renders the template. Throws TemplateError; line() then says where.
  std::string render(const Block& block);
  int line() const { return line_; }
  // [begin, end) bytes of the output that stood in {% generation %} blocks.
  const std::vector<std::pair<size_t, size_t>>& generated() const { return generated_; }

  // For filters, tests and functions:
  Value call(const Value& callee, Arguments arguments);
  // value.name and value[name] with Jinja's rules: methods come first for the one, items for the other.
  Value attribute(const Value& value, const std::string& name);
  Value item(const Value& value, const Value& index);
  std::time_t now() const { return now_; }
  // Keeps what changes to the end and empties it then: it may hold itself, and a chain of such values, freed
  // from one end, would exhaust the stack.
  void keep(std::shared_ptr<Namespace> ns) { namespaces_.push_back(std::move(ns)); }
  void keep(std::shared_ptr<List> items) { lists_.push_back(std::move(items)); }
  // Counts work; throws beyond the limit.
  void step(uint64_t n = 1);

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  using ScopePtr = std::shared_ptr<Scope>;
  // One level deeper; throws beyond the limit.
  class Level;

  Flow run(const Block& block, const ScopePtr& scope);
  Flow run(const Statement& s, const ScopePtr& scope);
  void loop_over(const Statement& s, const Value& items, const ScopePtr& scope, int64_t nesting);
  // The output of a block, apart from the template's.
  std::string capture(const Block& block, const ScopePtr& scope);
  void print(std::string_view text);
  void print_value(const Value& value);
  void assign(const Expr& target, const Value& value, const ScopePtr& scope);
  ScopePtr inner(const ScopePtr& scope);
  // A macro of the body; it keeps the scope that it was made in.
  Function macro(std::string name, const std::vector<Parameter>& parameters, const Block& body,
                 const ScopePtr& scope);
  Value call_macro(const std::string& name, const std::vector<Parameter>& parameters, const Block& body,
                   const ScopePtr& scope, Arguments arguments);

  Value eval(const Expr& e, const ScopePtr& scope);
  Value eval_kind(const Expr& e, const ScopePtr& scope);
  Value look_up(const std::string& name, const ScopePtr& scope);
  bool compare(const Expr& e, const ScopePtr& scope);
  Arguments arguments_of(const Expr& e, size_t first_operand, const ScopePtr& scope);
  List items_of(const Expr& e, const ScopePtr& scope);
  Value dict_of(const Expr& e, const ScopePtr& scope);
  Value subscripted(const Expr& e, const ScopePtr& scope);
  Value called(const Expr& e, const ScopePtr& scope);
  bool tested(const Expr& e, const ScopePtr& scope);
  Value joined(const Expr& e, const ScopePtr& scope);
  Value filtered(const Expr& e, const ScopePtr& scope);
  // A filter of a {% filter %} or {% set %} block over the block's text.
  Value filtered_block(const Expr& filter, std::string text, const ScopePtr& scope);

  Limits limits_;
  std::time_t now_;
  ScopePtr root_;
  // Kept for the functions that work in them, which are values and may stand in the scopes themselves.
  std::vector<ScopePtr> captured_scopes_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  std::vector<std::shared_ptr<List>> lists_;
  const Value* block_text_ = nullptr;  // what a filter without operand filters
  std::string* out_ = nullptr;
  std::string output_;
  std::vector<std::pair<size_t, size_t>> generated_;
  uint64_t steps_ = 0;
  int depth_ = 0;
  int line_ = 0;
};

}  // namespace tersor::jinja
