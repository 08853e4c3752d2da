// The expressions of a template: the second half of the interpreter.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/arguments.h"
#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/interpreter_scope_guards.h"
#include "tersor/tokenizer/jinja/operators.h"
#include "tersor/tokenizer/jinja/python_text.h"

namespace tersor::jinja {
namespace {

using Kind = Expr::Kind;

// What it costs to have made a value: its own text or items, not what the items hold.
uint64_t cost_of_making(const Value& v) {
  if (v.string() != nullptr) return v.string()->text.size() / 16;
  if (v.sequence() != nullptr) return v.sequence()->size();
  return v.dict() != nullptr ? v.dict()->size() : 0;
}

// Whether an expression's value is a new one, rather than one that is there already.
bool makes_a_value(const Expr& e) {
  switch (e.kind) {
    case Kind::kItem:
      return e.operands[1]->kind == Kind::kSlice;
    case Kind::kConstant:
    case Kind::kName:
    case Kind::kAttribute:
    case Kind::kAnd:
    case Kind::kOr:
    case Kind::kConditional:
      return false;
    default:
      return true;
  }
}

std::string object_name(const Value& v) {
  return v.is_none() ? "None" : fmt::format("'{} object'", v.type_name());
}

}  // namespace

Value Interpreter::look_up(const std::string& name, const ScopePtr& scope) {
  for (const Scope* s = scope.get(); s != nullptr; s = s->parent.get()) {
    const auto it = s->names.find(name);
    if (it != s->names.end()) return it->second;
  }
  return Value::undefined(fmt::format("'{}' is undefined", name));
}

Value Interpreter::eval(const Expr& e, const ScopePtr& scope) {
  step();
  const Level level(*this);
  line_ = e.line;
  Value v = eval_kind(e, scope);
  if (makes_a_value(e)) step(cost_of_making(v));
  return v;
}

Value Interpreter::eval_kind(const Expr& e, const ScopePtr& scope) {
  const auto operand = [&](size_t i) { return eval(*e.operands[i], scope); };
  switch (e.kind) {
    case Kind::kConstant:
      return e.constant;
    case Kind::kName:
      return look_up(e.text, scope);
    case Kind::kAttribute:
      return attribute(operand(0), e.text);
    case Kind::kItem:
      return subscripted(e, scope);
    case Kind::kSlice:
      throw TemplateError("a slice cannot stand here");
    case Kind::kList:
      return items_of(e, scope);
    case Kind::kTuple:
      return Tuple{items_of(e, scope)};
    case Kind::kDict:
      return dict_of(e, scope);
    case Kind::kCall:
      return called(e, scope);
    case Kind::kFilter:
      return filtered(e, scope);
    case Kind::kTest:
      return tested(e, scope);
    case Kind::kNot:
      return !operand(0).truthy();
    case Kind::kNegative:
      return negative(operand(0));
    case Kind::kPositive:
      return positive(operand(0));
    case Kind::kAdd:
    case Kind::kSubtract:
    case Kind::kMultiply:
    case Kind::kDivide:
    case Kind::kFloorDivide:
    case Kind::kModulo:
    case Kind::kPower: {
      const Value left = operand(0), right = operand(1);
      line_ = e.line;
      return arithmetic(e.kind, left, right);
    }
    case Kind::kConcat:
      return joined(e, scope);
    case Kind::kCompare:
      return compare(e, scope);
    case Kind::kAnd: {
      Value left = operand(0);
      return left.truthy() ? operand(1) : left;
    }
    case Kind::kOr: {
      Value left = operand(0);
      return left.truthy() ? left : operand(1);
    }
    case Kind::kConditional:
      if (operand(0).truthy()) return operand(1);
      if (e.operands[2]) return operand(2);
      return Value::undefined("the inline if-expression was false, and it has no else");
    case Kind::kNamespaceAttribute:
      break;
  }
  throw TemplateError("an expression of no known kind");
}

List Interpreter::items_of(const Expr& e, const ScopePtr& scope) {
  List list;
  list.reserve(e.operands.size());
  for (const ExprPtr& o : e.operands) list.push_back(eval(*o, scope));
  return list;
}

Value Interpreter::dict_of(const Expr& e, const ScopePtr& scope) {
  Dict dict;
  for (size_t i = 0; i + 1 < e.operands.size(); i += 2) {
    const Value key = eval(*e.operands[i], scope);
    dict.set(key, eval(*e.operands[i + 1], scope));
  }
  return Value(std::move(dict));
}

Value Interpreter::called(const Expr& e, const ScopePtr& scope) {
  const Value callee = eval(*e.operands[0], scope);
  Arguments arguments = arguments_of(e, 1, scope);
  line_ = e.line;
  return call(callee, std::move(arguments));
}

bool Interpreter::tested(const Expr& e, const ScopePtr& scope) {
  const Value input = eval(*e.operands[0], scope);
  const Arguments arguments = arguments_of(e, 1, scope);
  line_ = e.line;
  step(weight_of(arguments));
  return apply_test(*this, e.text, input, arguments);
}

Value Interpreter::joined(const Expr& e, const ScopePtr& scope) {
  std::string text;
  for (const ExprPtr& o : e.operands) {
    text += to_text(eval(*o, scope));
    check_string_size(text.size());
  }
  return text;
}

// value[index] or value[start:stop:step]
Value Interpreter::subscripted(const Expr& e, const ScopePtr& scope) {
  const Value value = eval(*e.operands[0], scope);
  const Expr& index = *e.operands[1];
  if (index.kind != Kind::kSlice) {
    const Value i = eval(index, scope);
    line_ = e.line;
    return item(value, i);
  }
  const auto bound = [&](size_t i) -> std::optional<int64_t> {
    if (!index.operands[i]) return std::nullopt;
    const Value v = eval(*index.operands[i], scope);
    if (v.is_none()) return std::nullopt;
    if (!v.is_int() && !v.is_bool()) throw TemplateError("slice indices must be integers or None");
    return v.integer();
  };
  Slice slice;
  slice.start = bound(0);
  slice.stop = bound(1);
  slice.step = bound(2).value_or(1);
  line_ = e.line;
  value.require_defined();
  if (value.string() != nullptr) return slice_text(value.string()->text, slice);
  if (value.sequence() == nullptr)
    return Value::undefined(fmt::format("{} has no slices", object_name(value)));
  List picked;
  for (const size_t i : slice_indices(slice, value.sequence()->size()))
    picked.push_back((*value.sequence())[i]);
  return value.tuple() != nullptr ? Value(Tuple{std::move(picked)}) : Value(std::move(picked));
}

bool Interpreter::compare(const Expr& e, const ScopePtr& scope) {
  Value left = eval(*e.operands[0], scope);
  for (size_t i = 0; i < e.compare_ops.size(); ++i) {
    Value right = eval(*e.operands[i + 1], scope);
    line_ = e.line;
    step(e.compare_ops[i] < CompareOp::kIn ? std::min(left.weight(), right.weight()) : right.weight());
    bool holds = false;
    switch (e.compare_ops[i]) {
      case CompareOp::kEqual:
        holds = equal(left, right);
        break;
      case CompareOp::kNotEqual:
        holds = !equal(left, right);
        break;
      case CompareOp::kLess:
        holds = less(left, right);
        break;
      case CompareOp::kLessEqual:
        holds = !less(right, left);
        break;
      case CompareOp::kGreater:
        holds = less(right, left);
        break;
      case CompareOp::kGreaterEqual:
        holds = !less(left, right);
        break;
      case CompareOp::kIn:
        holds = contains(right, left);
        break;
      case CompareOp::kNotIn:
        holds = !contains(right, left);
        break;
    }
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Arguments Interpreter::arguments_of(const Expr& e, size_t first_operand, const ScopePtr& scope) {
  Arguments arguments;
  for (size_t i = first_operand; i < e.operands.size(); ++i)
    arguments.positional.push_back(eval(*e.operands[i], scope));
  for (const auto& [name, expr] : e.keywords) {
    const Value value = eval(*expr, scope);
    if (name == "*") {
      const auto items = iterate(value);
      step(items->size());
      arguments.positional.insert(arguments.positional.end(), items->begin(), items->end());
    } else if (name == "**") {
      if (value.dict() == nullptr)
        throw TemplateError(fmt::format("argument after ** must be a mapping, not {}", value.type_name()));
      for (const auto& [key, v] : value.dict()->items()) arguments.keywords.emplace_back(to_text(key), v);
    } else {
      arguments.keywords.emplace_back(name, value);
    }
  }
  return arguments;
}

Value Interpreter::filtered(const Expr& e, const ScopePtr& scope) {
  const Value input = e.operands[0] ? eval(*e.operands[0], scope) : *block_text_;
  const Arguments arguments = arguments_of(e, 1, scope);
  line_ = e.line;
  step(input.weight() + weight_of(arguments));
  return apply_filter(*this, e.text, input, arguments);
}

Value Interpreter::filtered_block(const Expr& filter, std::string text, const ScopePtr& scope) {
  const Value value(std::move(text));
  const Restore<const Value*> input(block_text_, &value);
  return eval(filter, scope);
}

Value Interpreter::attribute(const Value& value, const std::string& name) {
  value.require_defined();
  if (Namespace* ns = value.name_space()) {
    const auto it = ns->attributes.find(name);
    if (it != ns->attributes.end()) return it->second;
  }
  if (auto found = find_attribute(value, name)) return std::move(*found);
  if (value.dict() != nullptr) {
    if (const Value* found = value.dict()->get(name)) return *found;
  }
  return Value::undefined(fmt::format("{} has no attribute '{}'", object_name(value), name));
}

Value Interpreter::item(const Value& value, const Value& index) {
  value.require_defined();
  if (value.dict() != nullptr) {
    if (const Value* found = value.dict()->find(index)) return *found;
  } else if (index.is_int() || index.is_bool()) {
    int64_t i = index.integer();
    if (const List* list = value.sequence()) {
      if (i < 0) i += static_cast<int64_t>(list->size());
      if (i >= 0 && i < static_cast<int64_t>(list->size())) return (*list)[static_cast<size_t>(i)];
    }
    if (value.string() != nullptr) {
      if (const auto character = character_at(value.string()->text, i)) return *character;
    }
    return Value::undefined(fmt::format("{} has no element {}", object_name(value), index.integer()));
  }
  if (index.string() != nullptr) {
    if (value.name_space() != nullptr) return attribute(value, index.string()->text);
    if (auto found = find_attribute(value, index.string()->text)) return std::move(*found);
  }
  return Value::undefined(fmt::format("{} has no attribute {}", object_name(value), shown(index)));
}

}  // namespace tersor::jinja
