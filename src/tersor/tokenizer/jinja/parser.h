// Tokens to a syntax tree, with Jinja's grammar and precedence.
#pragma once

#include <string_view>

#include "tersor/tokenizer/jinja/ast.h"
#include "tersor/tokenizer/jinja/lexer.h"

namespace tersor::jinja {

// Parses a template (valid UTF-8). Throws SyntaxError, also for tags that chat templates cannot use (include,
// extends).
Block parse(std::string_view source);

}  // namespace tersor::jinja
