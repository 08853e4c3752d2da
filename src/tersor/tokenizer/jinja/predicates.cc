// What may follow `is`: Jinja's tests.
#include <algorithm>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/arguments.h"
#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/operators.h"
#include "tersor/tokenizer/jinja/python_text.h"

namespace tersor::jinja {
namespace {

const Value& other(const Arguments& a) {
  if (a.positional.size() != 1 || !a.keywords.empty()) throw TemplateError("the test takes one argument");
  return a.positional[0];
}

bool is_defined(Interpreter&, const Value& v, const Arguments&) { return !v.is_undefined(); }
bool is_undefined(Interpreter&, const Value& v, const Arguments&) { return v.is_undefined(); }
bool is_none(Interpreter&, const Value& v, const Arguments&) { return v.is_none(); }
bool is_string(Interpreter&, const Value& v, const Arguments&) { return v.string() != nullptr; }
bool is_mapping(Interpreter&, const Value& v, const Arguments&) { return v.dict() != nullptr; }
bool is_number(Interpreter&, const Value& v, const Arguments&) { return v.is_number(); }
bool is_integer(Interpreter&, const Value& v, const Arguments&) { return v.is_int(); }
bool is_float(Interpreter&, const Value& v, const Arguments&) { return v.is_float(); }
bool is_boolean(Interpreter&, const Value& v, const Arguments&) { return v.is_bool(); }
bool is_true(Interpreter&, const Value& v, const Arguments&) { return v.is_bool() && v.boolean(); }
bool is_false(Interpreter&, const Value& v, const Arguments&) { return v.is_bool() && !v.boolean(); }
bool is_callable(Interpreter&, const Value& v, const Arguments&) {
  return v.function() != nullptr || (v.loop() != nullptr && v.loop()->recurse) || v.is_undefined();
}
// Undefined values can be gone through, and count as sequences, in Jinja.
bool is_sequence(Interpreter&, const Value& v, const Arguments&) {
  return v.string() != nullptr || v.sequence() != nullptr || v.dict() != nullptr || v.is_undefined();
}
bool is_iterable(Interpreter& in, const Value& v, const Arguments& a) {
  return is_sequence(in, v, a) || v.loop() != nullptr || v.generator() != nullptr;
}
bool is_escaped(Interpreter&, const Value& v, const Arguments&) {
  return v.string() != nullptr && v.string()->safe;
}

bool is_lower(Interpreter&, const Value& v, const Arguments&) {
  const std::string text = to_text(v);
  return lower(text) == text && upper(text) != text;
}
bool is_upper(Interpreter&, const Value& v, const Arguments&) {
  const std::string text = to_text(v);
  return upper(text) == text && lower(text) != text;
}

bool divides(const Value& v, const Value& by) { return !arithmetic(Expr::Kind::kModulo, v, by).truthy(); }
bool is_even(Interpreter&, const Value& v, const Arguments&) { return divides(v, 2); }
bool is_odd(Interpreter&, const Value& v, const Arguments&) { return !divides(v, 2); }
bool is_divisible(Interpreter&, const Value& v, const Arguments& a) { return divides(v, other(a)); }

bool is_equal(Interpreter&, const Value& v, const Arguments& a) { return equal(v, other(a)); }
bool is_not_equal(Interpreter&, const Value& v, const Arguments& a) { return !equal(v, other(a)); }
bool is_less(Interpreter&, const Value& v, const Arguments& a) { return less(v, other(a)); }
bool is_less_equal(Interpreter&, const Value& v, const Arguments& a) { return !less(other(a), v); }
bool is_greater(Interpreter&, const Value& v, const Arguments& a) { return less(other(a), v); }
bool is_greater_equal(Interpreter&, const Value& v, const Arguments& a) { return !less(v, other(a)); }
bool is_in(Interpreter&, const Value& v, const Arguments& a) { return contains(other(a), v); }
// Identity: of the same type and equal, which is as near as values come to it.
bool is_same(Interpreter&, const Value& v, const Arguments& a) {
  return std::string_view(v.type_name()) == other(a).type_name() && equal(v, other(a));
}
bool is_filter(Interpreter&, const Value& v, const Arguments&) { return find_filter(to_text(v)) != nullptr; }
bool is_test(Interpreter&, const Value& v, const Arguments&) { return find_test(to_text(v)) != nullptr; }

constexpr std::pair<std::string_view, Test> kTests[] = {
    {"defined", is_defined},   {"undefined", is_undefined},
    {"none", is_none},         {"string", is_string},
    {"mapping", is_mapping},   {"number", is_number},
    {"integer", is_integer},   {"float", is_float},
    {"boolean", is_boolean},   {"true", is_true},
    {"false", is_false},       {"callable", is_callable},
    {"sequence", is_sequence}, {"iterable", is_iterable},
    {"escaped", is_escaped},   {"lower", is_lower},
    {"upper", is_upper},       {"even", is_even},
    {"odd", is_odd},           {"divisibleby", is_divisible},
    {"sameas", is_same},       {"in", is_in},
    {"eq", is_equal},          {"equalto", is_equal},
    {"==", is_equal},          {"ne", is_not_equal},
    {"!=", is_not_equal},      {"lt", is_less},
    {"lessthan", is_less},     {"<", is_less},
    {"le", is_less_equal},     {"<=", is_less_equal},
    {"gt", is_greater},        {"greaterthan", is_greater},
    {">", is_greater},         {"ge", is_greater_equal},
    {">=", is_greater_equal},  {"filter", is_filter},
    {"test", is_test},
};

}  // namespace

Test find_test(std::string_view name) {
  for (const auto& [known, test] : kTests) {
    if (name == known) return test;
  }
  return nullptr;
}

bool apply_test(Interpreter& in, const std::string& name, const Value& input, const Arguments& arguments) {
  const Test test = find_test(name);
  if (test == nullptr) throw TemplateError(fmt::format("no test is named '{}'", name));
  return test(in, input, arguments);
}

}  // namespace tersor::jinja
