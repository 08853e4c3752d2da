// Python's two ways to format: "{:>8}".format(…) and "%5.2f" % (…).
#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/jinja/operators.h"
#include "tersor/tokenizer/jinja/python_text.h"

namespace tersor::jinja {
namespace {

// [[fill]align][sign][#][0][width][,][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = '\0';  // '<', '>', '^', '='
  char sign = '-';
  bool alternative = false;
  int width = 0;
  bool thousands = false;
  std::optional<int> precision;
  char type = '\0';
};

constexpr int kMaxWidth = 1000;

bool is_align(std::string_view s) {
  return s.size() == 1 && std::string_view("<>^=").find(s[0]) != std::string_view::npos;
}

std::optional<int> take_number(std::string_view& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range || value > kMaxWidth)
    throw TemplateError("a format's width is too great");
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

Spec parse_spec(std::string_view text) {
  const std::string_view whole = text;
  Spec spec;
  const size_t first = text.empty() ? 0 : utf8_length(text[0]);
  if (text.size() > first && is_align(text.substr(first, 1))) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    text.remove_prefix(first + 1);
  } else if (is_align(text.substr(0, 1))) {
    spec.align = text[0];
    text.remove_prefix(1);
  }
  for (const char sign : {'+', '-', ' '}) {
    if (take(text, sign)) spec.sign = sign;
  }
  spec.alternative = take(text, '#');
  if (text.starts_with('0') && spec.align == '\0') {
    spec.fill = "0";
    spec.align = '=';
  }
  spec.width = take_number(text).value_or(0);
  spec.thousands = take(text, ',');
  if (take(text, '.')) {
    spec.precision = take_number(text);
    if (!spec.precision) throw TemplateError("Format specifier missing precision");
  }
  if (!text.empty()) {
    spec.type = text[0];
    text.remove_prefix(1);
  }
  if (!text.empty()) throw TemplateError(fmt::format("Invalid format specifier '{}'", whole));
  return spec;
}

std::string padded(std::string body, const Spec& spec, char default_align) {
  const auto length = static_cast<int>(count_code_points(body));
  const int pad = std::max(0, spec.width - length);
  const char align = spec.align != '\0' ? spec.align : default_align;
  if (align == '<') return body + repeat(spec.fill, pad);
  if (align == '^') return repeat(spec.fill, pad / 2) + body + repeat(spec.fill, pad - pad / 2);
  const size_t sign =
      align == '=' && !body.empty() && (body[0] == '-' || body[0] == '+' || body[0] == ' ') ? 1 : 0;
  return body.substr(0, sign) + repeat(spec.fill, pad) + body.substr(sign);
}

std::string with_thousands(std::string digits) {
  size_t end = digits.find_first_not_of("0123456789");
  if (end == std::string::npos) end = digits.size();
  for (size_t i = end; i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string float_digits(double d, char type, int precision, bool alternative) {
  switch (type) {
    case 'e':
      return fmt::format("{:.{}e}", d, precision);
    case 'E':
      return fmt::format("{:.{}E}", d, precision);
    case 'g':
      return alternative ? fmt::format("{:#.{}g}", d, precision) : fmt::format("{:.{}g}", d, precision);
    case 'G':
      return fmt::format("{:.{}G}", d, precision);
    default:
      return fmt::format("{:.{}f}", d, precision);
  }
}

std::string format_number(const Value& v, const Spec& spec) {
  const bool whole = !v.is_float();
  std::string digits;
  bool negative = false;
  const bool as_integer =
      whole && (spec.type == '\0' || std::string_view("dxXobc").find(spec.type) != std::string_view::npos);
  if (as_integer) {
    const int64_t i = v.integer();
    negative = i < 0;
    const uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(i) : static_cast<uint64_t>(i);
    switch (spec.type) {
      case 'x':
        digits = spec.alternative ? fmt::format("{:#x}", magnitude) : fmt::format("{:x}", magnitude);
        break;
      case 'X':
        digits = spec.alternative ? fmt::format("{:#X}", magnitude) : fmt::format("{:X}", magnitude);
        break;
      case 'o':
        digits = fmt::format("{}{:o}", spec.alternative ? "0o" : "", magnitude);
        break;
      case 'b':
        digits = spec.alternative ? fmt::format("{:#b}", magnitude) : fmt::format("{:b}", magnitude);
        break;
      default:
        digits = std::to_string(magnitude);
    }
  } else {
    double d = v.number();
    negative = std::signbit(d);
    d = negative ? -d : d;
    if (spec.type == '%')
      digits = fmt::format("{:.{}f}%", d * 100, spec.precision.value_or(6));
    else if (spec.type == '\0' && !spec.precision)
      digits = repr_float(d);
    else if (spec.type == '\0')
      digits = fmt::format("{:.{}g}", d, *spec.precision);
    else if (std::string_view("eEfFgG").find(spec.type) != std::string_view::npos)
      digits = float_digits(d, spec.type, spec.precision.value_or(6), spec.alternative);
    else
      throw TemplateError(
          fmt::format("Unknown format code '{}' for object of type '{}'", spec.type, v.type_name()));
  }
  if (spec.thousands) digits = with_thousands(std::move(digits));
  if (negative)
    digits.insert(0, "-");
  else if (spec.sign != '-')
    digits.insert(0, 1, spec.sign);
  return padded(std::move(digits), spec, '>');
}

std::string format_text(std::string_view text, const Spec& spec) {
  return padded(spec.precision ? slice_text(text, {std::nullopt, *spec.precision, 1}) : std::string(text),
                spec, '<');
}

std::string format_value(const Value& v, std::string_view spec_text) {
  if (spec_text.empty()) return to_text(v);
  const Spec spec = parse_spec(spec_text);
  if (v.is_number() && !(v.is_bool() && spec.type == '\0')) return format_number(v, spec);
  if (spec.type != '\0' && spec.type != 's') {
    throw TemplateError(
        fmt::format("Unknown format code '{}' for object of type '{}'", spec.type, v.type_name()));
  }
  return format_text(to_text(v), spec);
}

bool all_digits(std::string_view s) {
  return !s.empty() && s.size() < 6 &&
         std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The value of a replacement field `0`, `name`, `name.key` or `name[key]`, and of the next one for an empty
// name.
Value field_value(std::string_view field, const Arguments& arguments, size_t& next) {
  const size_t end = std::min(field.find_first_of(".["), field.size());
  const std::string_view name = field.substr(0, end);
  Value value;
  if (name.empty() || all_digits(name)) {
    const size_t i = name.empty() ? next++ : static_cast<size_t>(std::stoul(std::string(name)));
    if (i >= arguments.positional.size()) {
      throw TemplateError(fmt::format("Replacement index {} out of range for positional args tuple", i));
    }
    value = arguments.positional[i];
  } else {
    const auto it = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                                 [&](const auto& k) { return k.first == name; });
    if (it == arguments.keywords.end())
      throw TemplateError(fmt::format("format(): no argument is named '{}'", name));
    value = it->second;
  }
  for (std::string_view rest = field.substr(end); !rest.empty();) {
    const bool bracket = rest[0] == '[';
    const size_t stop = bracket ? rest.find(']') : std::min(rest.find_first_of(".[", 1), rest.size());
    if (stop == std::string_view::npos) throw TemplateError("Missing ']' in format string");
    const std::string_view key = rest.substr(1, stop - 1);
    const Value* found = value.dict() != nullptr ? value.dict()->get(key) : nullptr;
    if (value.sequence() != nullptr && all_digits(key)) {
      const size_t i = std::stoul(std::string(key));
      if (i < value.sequence()->size()) found = &(*value.sequence())[i];
    }
    if (found == nullptr) throw TemplateError(fmt::format("format(): '{}' has no '{}'", field, key));
    value = Value(*found);
    rest.remove_prefix(stop + (bracket ? 1 : 0));
  }
  return value;
}

}  // namespace

std::string format_braces(std::string_view format, const Arguments& arguments) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if ((c == '{' || c == '}') && i + 1 < format.size() && format[i + 1] == c) {
      out += c;
      ++i;
      continue;
    }
    if (c == '}') throw TemplateError("Single '}' encountered in format string");
    if (c != '{') {
      out += c;
      continue;
    }
    const size_t end = format.find('}', i);
    if (end == std::string_view::npos) throw TemplateError("Single '{' encountered in format string");
    std::string_view field = format.substr(i + 1, end - i - 1), spec, conversion;
    if (const size_t colon = field.find(':'); colon != std::string_view::npos) {
      spec = field.substr(colon + 1);
      field = field.substr(0, colon);
    }
    if (const size_t mark = field.find('!'); mark != std::string_view::npos) {
      conversion = field.substr(mark + 1);
      field = field.substr(0, mark);
    }
    Value value = field_value(field, arguments, next);
    if (conversion == "r" || conversion == "a")
      value = Value(to_repr(value));
    else if (conversion == "s")
      value = Value(to_text(value));
    else if (!conversion.empty())
      throw TemplateError(fmt::format("Unknown conversion specifier '{}'", conversion));
    out += format_value(value, spec);
    check_string_size(out.size());
    i = end;
  }
  return out;
}

std::string format_percent(std::string_view format, const Value& arguments) {
  std::string out;
  size_t next = 0;
  const auto take_argument = [&]() -> Value {
    if (arguments.tuple() == nullptr) {
      if (next++ > 0) throw TemplateError("not enough arguments for format string");
      return arguments;
    }
    if (next >= arguments.tuple()->items.size())
      throw TemplateError("not enough arguments for format string");
    return arguments.tuple()->items[next++];
  };
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    std::string_view rest = format.substr(i + 1);
    const size_t before = rest.size();
    std::optional<Value> named;
    if (rest.starts_with('(')) {
      const size_t end = rest.find(')');
      if (end == std::string_view::npos) throw TemplateError("incomplete format key");
      const Value* found =
          arguments.dict() != nullptr ? arguments.dict()->get(rest.substr(1, end - 1)) : nullptr;
      if (found == nullptr)
        throw TemplateError(fmt::format("no value for the format key '{}'", rest.substr(1, end - 1)));
      named = *found;
      rest.remove_prefix(end + 1);
    }
    Spec spec;
    spec.align = '>';
    while (!rest.empty() && std::string_view("-+ 0#").find(rest[0]) != std::string_view::npos) {
      if (rest[0] == '-')
        spec.align = '<', spec.fill = " ";
      else if (rest[0] == '0' && spec.align != '<')
        spec.align = '=', spec.fill = "0";
      else if (rest[0] == '#')
        spec.alternative = true;
      else if (rest[0] != '0')
        spec.sign = rest[0];
      rest.remove_prefix(1);
    }
    spec.width = take_number(rest).value_or(0);
    if (take(rest, '.')) spec.precision = take_number(rest).value_or(0);
    if (rest.empty()) throw TemplateError("incomplete format");
    spec.type = rest[0];
    rest.remove_prefix(1);
    i += before - rest.size();
    if (spec.type == '%') {
      out += '%';
      continue;
    }
    const Value value = named ? *named : take_argument();
    if (spec.type == 's' || spec.type == 'r') {
      if (spec.align == '=') spec.align = '>', spec.fill = " ";
      out += format_text(spec.type == 's' ? to_text(value) : to_repr(value), spec);
    } else if (std::string_view("dixXofFeEgG").find(spec.type) != std::string_view::npos) {
      if (!value.is_number()) {
        throw TemplateError(
            fmt::format("%{} format: a real number is required, not {}", spec.type, value.type_name()));
      }
      if (spec.type == 'i') spec.type = 'd';
      const bool cut = value.is_float() && spec.type == 'd';
      if (cut && !(std::fabs(value.number()) < 0x1p63)) number_too_large();
      out += format_number(cut ? Value(static_cast<int64_t>(value.number())) : value, spec);
    } else {
      throw TemplateError(fmt::format("unsupported format character '{}'", spec.type));
    }
    check_string_size(out.size());
  }
  if (arguments.tuple() != nullptr && next < arguments.tuple()->items.size()) {
    throw TemplateError("not all arguments converted during string formatting");
  }
  return out;
}

}  // namespace tersor::jinja
