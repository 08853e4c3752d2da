#include "tersor/tokenizer/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/jinja/python_text.h"
#include "tersor/tokenizer/unicode.h"

namespace tersor::jinja {
namespace {

// Longest first, so that `//` is not two `/`.
constexpr std::array<std::string_view, 25> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                         "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                         ">",  "<",  "=",  ".",  ":",  "|",  ","};

bool is_name_start(uint32_t c) {
  return c == '_' || (c < 0x80 ? std::isalpha(static_cast<int>(c)) != 0
                               : (tokenizer::char_class(c) & tokenizer::kLetter) != 0);
}
bool is_name_part(uint32_t c) {
  return is_name_start(c) || (c < 0x80 ? std::isdigit(static_cast<int>(c)) != 0
                                       : (tokenizer::char_class(c) & tokenizer::kWord) != 0);
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// One kind of line end, and none at the very end.
std::string with_plain_line_ends(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_line_ends(source)), rest_(source_) {}

  std::vector<Token> run() {
    while (!rest_.empty()) text_and_tag();
    add(Token::Type::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string message) const { throw SyntaxError{std::move(message), line_}; }

  void add(Token::Type type, std::string_view text) {
    Token token;
    token.type = type;
    token.text = text;
    token.line = line_;
    tokens_.push_back(std::move(token));
  }

  // Moves on by `n` bytes, counting lines.
  std::string_view consume(size_t n) {
    const std::string_view taken = rest_.substr(0, n);
    line_ += static_cast<int>(std::count(taken.begin(), taken.end(), '\n'));
    if (n > 0) line_starting_ = taken.back() == '\n';
    rest_.remove_prefix(n);
    return taken;
  }
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    consume(text.size());
    return true;
  }
  void skip_space() { consume(rest_.size() - strip(rest_, std::nullopt, true, false).size()); }

  // The text before a tag whose opening is followed by `sign`: '-' strips it, '+' keeps it, else blanks that
  // begin its last line go, where `may_lstrip`.
  std::string_view trimmed_before(std::string_view text, char sign, bool may_lstrip) const {
    if (sign == '-') return strip(text, std::nullopt, false, true);
    if (sign == '+' || !may_lstrip) return text;
    const size_t line = text.rfind('\n') + 1;  // 0 when there is none
    if (line == 0 && !line_starting_) return text;
    return strip(text.substr(line), std::nullopt, true, false).empty() ? text.substr(0, line) : text;
  }

  void add_data(std::string_view text) {
    if (!text.empty()) add(Token::Type::kData, text);
  }

  // Text up to the next tag, and the tag.
  void text_and_tag() {
    size_t at = rest_.find('{');
    while (
        at != std::string_view::npos &&
        (at + 1 == rest_.size() || std::string_view("{%#").find(rest_[at + 1]) == std::string_view::npos)) {
      at = rest_.find('{', at + 1);
    }
    if (at == std::string_view::npos) {
      add_data(rest_);
      consume(rest_.size());
      return;
    }
    const char kind = rest_[at + 1];
    const char sign = at + 2 < rest_.size() ? rest_[at + 2] : '\0';
    const bool signed_tag = sign == '-' || sign == '+';
    add_data(trimmed_before(rest_.substr(0, at), sign, kind != '{'));
    consume(at + 2 + (signed_tag ? 1 : 0));
    if (kind == '#') return comment();
    if (kind == '{') {
      add(Token::Type::kVariableBegin, "{{");
      return inside_tag("}}", Token::Type::kVariableEnd);
    }
    if (raw_block()) return;
    add(Token::Type::kBlockBegin, "{%");
    inside_tag("%}", Token::Type::kBlockEnd);
  }

  // `closing` with an optional sign before it, and the white space that it takes along.
  bool take_closing(std::string_view closing, bool trims_line_end) {
    if (rest_.starts_with('-') && rest_.substr(1).starts_with(closing)) {
      consume(1 + closing.size());
      skip_space();
      return true;
    }
    if (trims_line_end && rest_.starts_with('+') && rest_.substr(1).starts_with(closing)) {
      consume(1 + closing.size());
      return true;
    }
    if (!take(closing)) return false;
    if (trims_line_end) take("\n");
    return true;
  }

  void comment() {
    const int begun = line_;
    while (!rest_.empty()) {
      if (take_closing("#}", true)) return;
      consume(1);
    }
    line_ = begun;
    fail("a comment without its end `#}`");
  }

  // {% raw %}…{% endraw %}, the opening `{%` consumed already.
  bool raw_block() {
    const std::string_view before = rest_;
    const int begun = line_;
    const bool line_starting = line_starting_;
    skip_space();
    const bool is_raw =
        take("raw") &&
        (skip_space(), take("%}") || (rest_.starts_with("-%}") && (consume(3), skip_space(), true)));
    if (!is_raw) {
      rest_ = before;
      line_ = begun;
      line_starting_ = line_starting;
      return false;
    }
    for (size_t at = rest_.find("{%"); at != std::string_view::npos; at = rest_.find("{%", at + 2)) {
      std::string_view tag = rest_.substr(at + 2);
      const char sign = tag.empty() ? '\0' : tag[0];
      if (sign == '-' || sign == '+') tag.remove_prefix(1);
      tag = strip(tag, std::nullopt, true, false);
      if (!tag.starts_with("endraw")) continue;
      tag = strip(tag.substr(6), std::nullopt, true, false);
      if (!tag.starts_with("%}") && !tag.starts_with("-%}") && !tag.starts_with("+%}")) continue;
      add_data(trimmed_before(rest_.substr(0, at), sign, true));
      consume(static_cast<size_t>(tag.data() - rest_.data()));
      take_closing("%}", true);
      return true;
    }
    fail("a raw block without its `{% endraw %}`");
  }

  void inside_tag(std::string_view closing, Token::Type closing_type) {
    std::string open;  // brackets that are not closed yet
    while (true) {
      skip_space();
      if (rest_.empty()) fail(fmt::format("a tag without its end `{}`", closing));
      if (open.empty()) {
        const int line = line_;
        if (take_closing(closing, closing == "%}")) {
          add(closing_type, closing);
          tokens_.back().line = line;
          return;
        }
      }
      if (is_digit(rest_[0])) {
        number();
      } else if (rest_[0] == '"' || rest_[0] == '\'') {
        string();
      } else if (!name() && !op(open)) {
        fail(fmt::format("unexpected character `{}`", rest_.substr(0, utf8_length(rest_[0]))));
      }
    }
  }

  bool name() {
    const char* p = rest_.data();
    const char* const end = p + rest_.size();
    if (!is_name_start(decode_utf8(p))) return false;
    while (p != end) {
      const char* after = p;
      if (!is_name_part(decode_utf8(after))) break;
      p = after;
    }
    const auto length = static_cast<size_t>(p - rest_.data());
    add(Token::Type::kName, rest_.substr(0, length));
    consume(length);
    return true;
  }

  bool op(std::string& open) {
    for (const std::string_view text : kOperators) {
      if (!rest_.starts_with(text)) continue;
      if (text == "(") open += ')';
      if (text == "[") open += ']';
      if (text == "{") open += '}';
      if (text == ")" || text == "]" || text == "}") {
        if (open.empty()) fail(fmt::format("unexpected `{}`", text));
        if (open.back() != text[0]) fail(fmt::format("unexpected `{}`, expected `{}`", text, open.back()));
        open.pop_back();
      }
      add(Token::Type::kOperator, text);
      consume(text.size());
      return true;
    }
    return false;
  }

  // Digits with single underscores between them.
  size_t digits_from(size_t at, bool (*is)(char)) const {
    while (at < rest_.size() &&
           (is(rest_[at]) || (rest_[at] == '_' && at + 1 < rest_.size() && is(rest_[at + 1]))))
      ++at;
    return at;
  }

  void number() {
    int base = 10;
    if (rest_.size() > 2 && rest_[0] == '0') {
      const char letter = static_cast<char>(rest_[1] | 0x20);
      base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    }
    bool is_float = false;
    size_t length = 0;
    if (base != 10) {
      length = digits_from(2, [](char c) { return std::isxdigit(static_cast<uint8_t>(c)) != 0; });
    } else {
      length = digits_from(0, is_digit);
      if (length + 1 < rest_.size() && rest_[length] == '.' && is_digit(rest_[length + 1])) {
        is_float = true;
        length = digits_from(length + 1, is_digit);
      }
      if (length < rest_.size() && (rest_[length] | 0x20) == 'e') {
        size_t exponent = length + 1;
        if (exponent < rest_.size() && (rest_[exponent] == '+' || rest_[exponent] == '-')) ++exponent;
        if (exponent < rest_.size() && is_digit(rest_[exponent])) {
          is_float = true;
          length = digits_from(exponent, is_digit);
        }
      }
    }
    std::string digits(rest_.substr(base == 10 ? 0 : 2, length - (base == 10 ? 0 : 2)));
    std::erase(digits, '_');
    add(is_float ? Token::Type::kFloat : Token::Type::kInteger, rest_.substr(0, length));
    const char* const end = digits.data() + digits.size();
    const auto parsed = is_float ? std::from_chars(digits.data(), end, tokens_.back().number)
                                 : std::from_chars(digits.data(), end, tokens_.back().integer, base);
    if (parsed.ec != std::errc() || parsed.ptr != end)
      fail(fmt::format("`{}` is not a number that fits", rest_.substr(0, length)));
    consume(length);
  }

  // 'text' or "text", with Python's escapes.
  void string() {
    const char quote = rest_[0];
    size_t at = 1;
    while (at < rest_.size() && rest_[at] != quote) at += rest_[at] == '\\' ? 2 : 1;
    if (at >= rest_.size()) fail("a string without its end");
    std::string text = unescape(rest_.substr(1, at - 1));
    add(Token::Type::kString, "");
    tokens_.back().text = std::move(text);
    consume(at + 1);
  }

  std::string unescape(std::string_view raw) const {
    std::string out;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\' || i + 1 == raw.size()) {
        out += raw[i];
        continue;
      }
      const char c = raw[++i];
      constexpr std::string_view kLetters = "abfnrtv\\'\"";
      constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
      if (const size_t known = kLetters.find(c); known != std::string_view::npos) {
        out += kMeanings[known];
      } else if (c == '\n') {  // a line that goes on
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const size_t length = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        const std::string_view hex = raw.substr(i + 1, length);
        uint32_t code_point = 0;
        const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code_point, 16);
        if (hex.size() < length || error != std::errc() || end != hex.data() + length ||
            code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000)) {
          fail(fmt::format("`\\{}{}` is no character", c, hex));
        }
        append_utf8(out, code_point);
        i += length;
      } else if (c >= '0' && c <= '7') {
        uint32_t code_point = 0;
        size_t n = 0;
        while (n < 3 && i + n < raw.size() && raw[i + n] >= '0' && raw[i + n] <= '7')
          code_point = 8 * code_point + static_cast<uint32_t>(raw[i + n++] - '0');
        append_utf8(out, code_point);
        i += n - 1;
      } else {
        out += {'\\', c};
      }
    }
    return out;
  }

  std::string source_;
  std::string_view rest_;
  int line_ = 1;
  bool line_starting_ = true;  // what was consumed last ended a line
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace tersor::jinja
