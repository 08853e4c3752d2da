// Arithmetic of template values, with Python's rules. All throw TemplateError for types that do not fit.
#pragma once

#include "tersor/tokenizer/jinja/ast.h"
#include "tersor/tokenizer/jinja/value.h"

namespace tersor::jinja {

// `kind` is one of kAdd … kPower.
Value arithmetic(Expr::Kind kind, const Value& left, const Value& right);
Value negative(const Value& v);
Value positive(const Value& v);

}  // namespace tersor::jinja
