#include "tersor/tokenizer/jinja/operators.h"

#include <cmath>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/python_text.h"

namespace tersor::jinja {
namespace {

using Kind = Expr::Kind;

constexpr size_t kMaxListItems = 1'000'000;

const char* symbol(Kind kind) {
  switch (kind) {
    case Kind::kAdd:
      return "+";
    case Kind::kSubtract:
      return "-";
    case Kind::kMultiply:
      return "*";
    case Kind::kDivide:
      return "/";
    case Kind::kFloorDivide:
      return "//";
    case Kind::kModulo:
      return "%";
    default:
      return "**";
  }
}

int64_t integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) number_too_large();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) number_too_large();
  }
  return result;
}

// Division that rounds down, and the remainder that has the divisor's sign.
int64_t floor_divide(int64_t a, int64_t b) {
  if (b == -1) {
    int64_t result = 0;
    if (__builtin_sub_overflow(int64_t{0}, a, &result)) number_too_large();
    return result;
  }
  return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}
int64_t floor_modulo(int64_t a, int64_t b) {
  if (b == -1) return 0;
  const int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

Value integers(Kind kind, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (kind) {
    case Kind::kAdd:
      if (__builtin_add_overflow(a, b, &result)) number_too_large();
      return result;
    case Kind::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) number_too_large();
      return result;
    case Kind::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) number_too_large();
      return result;
    case Kind::kDivide:
      return static_cast<double>(a) / static_cast<double>(b);
    case Kind::kFloorDivide:
      return floor_divide(a, b);
    case Kind::kModulo:
      return floor_modulo(a, b);
    default:
      return b >= 0 ? Value(integer_power(a, b))
                    : Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
}

Value floats(Kind kind, double a, double b) {
  switch (kind) {
    case Kind::kAdd:
      return a + b;
    case Kind::kSubtract:
      return a - b;
    case Kind::kMultiply:
      return a * b;
    case Kind::kDivide:
      return a / b;
    case Kind::kFloorDivide:
      return std::floor(a / b);
    case Kind::kModulo: {
      const double r = std::fmod(a, b);
      return r != 0 && (r < 0) != (b < 0) ? r + b : r;
    }
    default:
      return std::pow(a, b);
  }
}

List repeat_list(const List& items, int64_t times) {
  List out;
  if (times <= 0 || items.empty()) return out;
  if (static_cast<uint64_t>(times) > kMaxListItems / items.size())
    throw TemplateError("a list grows beyond all use");
  for (int64_t i = 0; i < times; ++i) out.insert(out.end(), items.begin(), items.end());
  return out;
}

Value add_strings(const String& a, const String& b) {
  check_string_size(a.text.size() + b.text.size());
  if (!a.safe && !b.safe) return a.text + b.text;
  return Value((a.safe ? a.text : escape_html(a.text)) + (b.safe ? b.text : escape_html(b.text)), true);
}

}  // namespace

void number_too_large() { throw TemplateError("a number grows beyond 64 bits"); }

Value arithmetic(Kind kind, const Value& left, const Value& right) {
  left.require_defined();
  right.require_defined();
  if (left.is_number() && right.is_number()) {
    const bool divides = kind == Kind::kDivide || kind == Kind::kFloorDivide || kind == Kind::kModulo;
    if (divides && right.number() == 0) throw TemplateError("division by zero");
    if (left.is_float() || right.is_float()) return floats(kind, left.number(), right.number());
    return integers(kind, left.integer(), right.integer());
  }
  if (kind == Kind::kModulo && left.string() != nullptr) return format_percent(left.string()->text, right);
  if (kind == Kind::kAdd) {
    if (left.string() != nullptr && right.string() != nullptr)
      return add_strings(*left.string(), *right.string());
    const bool lists = left.list() != nullptr && right.list() != nullptr;
    if (lists || (left.tuple() != nullptr && right.tuple() != nullptr)) {
      List items = *left.sequence();
      if (items.size() + right.sequence()->size() > kMaxListItems)
        throw TemplateError("a list grows beyond all use");
      items.insert(items.end(), right.sequence()->begin(), right.sequence()->end());
      return lists ? Value(std::move(items)) : Value(Tuple{std::move(items)});
    }
    if (left.string() != nullptr || left.list() != nullptr) {
      throw TemplateError(fmt::format("can only concatenate {} (not \"{}\") to {}", left.type_name(),
                                      right.type_name(), left.type_name()));
    }
  }
  if (kind == Kind::kMultiply) {
    const bool left_counts = left.is_int() || left.is_bool();
    const Value& times = left_counts ? left : right;
    const Value& what = left_counts ? right : left;
    if (times.is_int() || times.is_bool()) {
      if (what.string() != nullptr)
        return Value(repeat(what.string()->text, times.integer()), what.string()->safe);
      if (what.list() != nullptr) return repeat_list(*what.list(), times.integer());
      if (what.tuple() != nullptr) return Tuple{repeat_list(what.tuple()->items, times.integer())};
    }
  }
  throw TemplateError(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol(kind),
                                  left.type_name(), right.type_name()));
}

Value negative(const Value& v) {
  v.require_defined();
  if (v.is_float()) return -v.number();
  if (v.is_number()) return integers(Kind::kSubtract, 0, v.integer());
  throw TemplateError(fmt::format("bad operand type for unary -: '{}'", v.type_name()));
}

Value positive(const Value& v) {
  v.require_defined();
  if (v.is_float()) return v;
  if (v.is_number()) return v.integer();
  throw TemplateError(fmt::format("bad operand type for unary +: '{}'", v.type_name()));
}

}  // namespace tersor::jinja
