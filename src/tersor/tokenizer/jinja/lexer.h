// A template's source cut into tokens, white space control applied.
//
// As transformers sets Jinja up: trim_blocks (a line end behind `%}` goes), lstrip_blocks (blanks before `{%`
// at the start of a line go), one line end at the end of the source goes. `{%-` and `-%}` take all white
// space, `{%+` and `+%}` keep it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::jinja {

struct Token {
  enum class Type {
    kData,           // text outside of tags
    kVariableBegin,  // {{
    kVariableEnd,
    kBlockBegin,  // {%
    kBlockEnd,
    kName,
    kString,   // `text` holds the characters, escapes resolved
    kInteger,  // `integer`
    kFloat,    // `number`
    kOperator,
    kEnd,
  };
  Type type = Type::kEnd;
  std::string text;
  int64_t integer = 0;
  double number = 0;
  int line = 0;  // 1-based

  bool is(std::string_view op) const { return type == Type::kOperator && text == op; }
  bool is_name(std::string_view name) const { return type == Type::kName && text == name; }
};

// A mistake in the source, with its line.
struct SyntaxError {
  std::string message;
  int line;
};

// The tokens of valid UTF-8, a kEnd last. Throws SyntaxError.
std::vector<Token> tokenize(std::string_view source);

}  // namespace tersor::jinja
