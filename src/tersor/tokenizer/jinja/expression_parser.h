// Expressions: tokens to trees, with Jinja's precedence.
#pragma once

#include <string>
#include <vector>

#include "tersor/tokenizer/jinja/ast.h"
#include "tersor/tokenizer/jinja/token_stream.h"

namespace tersor::jinja {

// Each throws SyntaxError for what is no expression, and for trees deeper than the interpreter goes.

// `a`, or `a, b`; without `conditional`, `if` is not part of it (it follows the list of a for loop).
ExprPtr parse_tuple_or_expression(TokenStream& tokens, bool conditional = true);
ExprPtr parse_expression(TokenStream& tokens);
// name, name.attribute (`with_namespace`), or a tuple of names.
ExprPtr parse_assign_target(TokenStream& tokens, bool with_namespace);
// `| name(…) | …`, the current token being the pipe: over the text of a block.
ExprPtr parse_filters(TokenStream& tokens);
// `name(…) | …` of a filter block.
ExprPtr parse_filter_chain(TokenStream& tokens);
// `a, b` of a print statement, joined.
ExprPtr parse_concatenation(TokenStream& tokens);

}  // namespace tersor::jinja
