// Arithmetic of template values, with Python's rules. All throw TemplateError for types that do not fit.
#pragma once

#include "tersor/tokenizer/jinja/ast.h"
#include "tersor/tokenizer/jinja/value.h"

namespace tersor::jinja {

// `kind` is one of kAdd … kPower.
Value arithmetic(Expr::Kind kind, const Value& left, const Value& right);
// Python's integers have no end; a template has no use for those beyond 64 bits. Throws TemplateError.
[[noreturn]] void number_too_large();

Value negative(const Value& v);
Value positive(const Value& v);

}  // namespace tersor::jinja
