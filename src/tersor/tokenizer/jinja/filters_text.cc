// Filters of text and numbers.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "tersor/tokenizer/jinja/arguments.h"
#include "tersor/tokenizer/jinja/builtins.h"
#include "tersor/tokenizer/jinja/interpreter.h"
#include "tersor/tokenizer/jinja/operators.h"
#include "tersor/tokenizer/jinja/python_text.h"

namespace tersor::jinja {
namespace {

Value keep_safe(const Value& input, std::string text) {
  return Value(std::move(text), input.string() != nullptr && input.string()->safe);
}

Value upper_filter(Interpreter&, const Value& v, const Arguments&) { return keep_safe(v, upper(to_text(v))); }
Value lower_filter(Interpreter&, const Value& v, const Arguments&) { return keep_safe(v, lower(to_text(v))); }
Value capitalize_filter(Interpreter&, const Value& v, const Arguments&) {
  return keep_safe(v, capitalize(to_text(v)));
}
Value string_filter(Interpreter&, const Value& v, const Arguments&) {
  return v.string() != nullptr ? v : Value(to_text(v));
}

Value trim_filter(Interpreter&, const Value& v, const Arguments& a) {
  const Bound args("trim", a, {"chars"});
  const std::string text = to_text(v);
  const bool all_space = args.get(0) == nullptr || args.get(0)->is_none();
  const std::string chars = all_space ? "" : args.require_text(0);
  return keep_safe(
      v, std::string(
             strip(text, all_space ? std::nullopt : std::optional<std::string_view>(chars), true, true)));
}

// Words begin behind white space, brackets and hyphens.
Value title_filter(Interpreter&, const Value& v, const Arguments&) {
  std::string out;
  std::string word;
  const auto flush = [&] { out += capitalize(std::exchange(word, "")); };
  for (const char c : to_text(v)) {
    if (std::string_view("- \t\n\r\f\v({[<").find(c) == std::string_view::npos) {
      word += c;
      continue;
    }
    flush();
    out += c;
  }
  flush();
  return out;
}

Value replace_filter(Interpreter&, const Value& v, const Arguments& a) {
  const Bound args("replace", a, {"old", "new", "count"});
  const int64_t count = args.get(2) == nullptr || args.get(2)->is_none() ? -1 : args.integer(2, -1);
  return replace(to_text(v), to_text(args.require(0)), to_text(args.require(1)), count);
}

Value indent_filter(Interpreter&, const Value& v, const Arguments& a) {
  const Bound args("indent", a, {"width", "first", "blank"});
  const Value* width = args.get(0);
  const std::string indentation = width != nullptr && width->string() != nullptr
                                      ? width->string()->text
                                      : repeat(" ", args.integer(0, 4));
  const std::string text = to_text(v) + "\n";  // Jinja's own: a last line end counts as a line
  const auto lines = split_lines(text, false);
  std::string out = args.truthy(1, false) ? indentation : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out += "\n";
      if (!lines[i].empty() || args.truthy(2, false)) out += indentation;
    }
    out += lines[i];
    check_string_size(out.size());
  }
  return keep_safe(v, std::move(out));
}

Value escape_filter(Interpreter&, const Value& v, const Arguments&) {
  if (v.string() != nullptr && v.string()->safe) return v;
  return Value(escape_html(to_text(v)), true);
}
Value forced_escape_filter(Interpreter&, const Value& v, const Arguments&) {
  return Value(escape_html(to_text(v)), true);
}
Value safe_filter(Interpreter&, const Value& v, const Arguments&) { return Value(to_text(v), true); }

Value format_filter(Interpreter&, const Value& v, const Arguments& a) {
  if (!a.keywords.empty()) {
    Dict named;
    for (const auto& [key, value] : a.keywords) named.set(Value(key), value);
    return format_percent(to_text(v), Value(std::move(named)));
  }
  return format_percent(to_text(v), Tuple{a.positional});
}

Value wordcount_filter(Interpreter&, const Value& v, const Arguments&) {
  return split(to_text(v), std::nullopt, -1).size();
}

Value center_filter(Interpreter& in, const Value& v, const Arguments& a) {
  return in.call(*find_string_method(Value(to_text(v)), "center"),
                 a.positional.empty() ? Arguments{{Value(80)}, {}} : a);
}

Value truncate_filter(Interpreter&, const Value& v, const Arguments& a) {
  const Bound args("truncate", a, {"length", "killwords", "end", "leeway"});
  const std::string text = to_text(v), end = args.text(2, "...");
  const int64_t length = args.integer(0, 255), leeway = args.integer(3, 5);
  if (static_cast<int64_t>(length_of(Value(text))) <= length + leeway) return text;
  const auto end_length = static_cast<int64_t>(length_of(Value(end)));
  if (length < end_length) throw TemplateError("truncate(): length must not be shorter than the end");
  std::string cut = slice_text(text, {std::nullopt, length - end_length, 1});
  if (!args.truthy(1, false)) cut = rsplit(cut, " ", 1)[0];
  return cut + end;
}

// --- numbers ---

// int("…") of Python: a whole number, white space around it allowed.
std::optional<int64_t> parse_integer(std::string_view text, int base) {
  text = strip(text, std::nullopt, true, true);
  std::string digits(text);
  std::erase(digits, '_');
  std::string_view rest = digits;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  const char prefix = rest.size() > 2 && rest[0] == '0' ? static_cast<char>(rest[1] | 0x20) : '\0';
  if ((base == 16 && prefix == 'x') || (base == 8 && prefix == 'o') || (base == 2 && prefix == 'b'))
    rest.remove_prefix(2);
  if (rest.empty() || rest[0] == '-' || rest[0] == '+') return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value, base);
  if (error == std::errc::result_out_of_range) number_too_large();
  if (error != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> parse_float(std::string_view text) {
  text = strip(text, std::nullopt, true, true);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> truncated(double d) {
  if (!std::isfinite(d)) return std::nullopt;
  if (std::fabs(d) >= 0x1p63) number_too_large();
  return static_cast<int64_t>(d);
}

Value int_filter(Interpreter&, const Value& v, const Arguments& a) {
  const Bound args("int", a, {"default", "base"});
  const Value fallback = args.get(0) != nullptr ? *args.get(0) : Value(0);
  std::optional<int64_t> result;
  if (v.is_float()) {
    result = truncated(v.number());
  } else if (v.is_number()) {
    result = v.integer();
  } else if (v.string() != nullptr) {
    const int64_t base = args.integer(1, 10);
    if (base < 2 || base > 36) throw TemplateError("int(): the base must be 2 to 36");
    result = parse_integer(v.string()->text, static_cast<int>(base));
    if (!result) {
      if (const auto d = parse_float(v.string()->text)) result = truncated(*d);
    }
  }
  return result ? Value(*result) : fallback;
}

Value float_filter(Interpreter&, const Value& v, const Arguments& a) {
  const Bound args("float", a, {"default"});
  const Value fallback = args.get(0) != nullptr ? *args.get(0) : Value(0.0);
  if (v.is_number()) return v.number();
  const auto parsed = v.string() != nullptr ? parse_float(v.string()->text) : std::nullopt;
  return parsed ? Value(*parsed) : fallback;
}

Value abs_filter(Interpreter&, const Value& v, const Arguments&) {
  v.require_defined();
  if (v.is_float()) return std::fabs(v.number());
  if (!v.is_number()) throw TemplateError(fmt::format("bad operand type for abs(): '{}'", v.type_name()));
  return v.integer() < 0 ? negative(v) : Value(v.integer());
}

Value round_filter(Interpreter&, const Value& v, const Arguments& a) {
  const Bound args("round", a, {"precision", "method"});
  v.require_defined();
  if (!v.is_number()) throw TemplateError(fmt::format("type {} has no rounding", v.type_name()));
  const int64_t precision = args.integer(0, 0);
  const std::string method = args.text(1, "common");
  if (precision < -300 || precision > 300) throw TemplateError("round(): the precision is out of range");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return std::ceil(v.number() * scale) / scale;
  if (method == "floor") return std::floor(v.number() * scale) / scale;
  if (method != "common") throw TemplateError("round(): method must be common, ceil or floor");
  // Through the decimal digits, which are rounded correctly; an int stays one, as Python's round() has it.
  if (!v.is_float())
    return precision >= 0 ? Value(v.integer())
                          : Value(static_cast<int64_t>(std::nearbyint(v.number() * scale) / scale));
  if (precision < 0) return std::nearbyint(v.number() * scale) / scale;
  return parse_float(fmt::format("{:.{}f}", v.number(), precision)).value_or(v.number());
}

Value default_filter(Interpreter&, const Value& v, const Arguments& a) {
  const Bound args("default", a, {"default_value", "boolean"});
  const bool absent = v.is_undefined() || (args.truthy(1, false) && !v.truthy());
  if (!absent) return v;
  return args.get(0) != nullptr ? *args.get(0) : Value("");
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"upper", upper_filter},
    {"lower", lower_filter},
    {"capitalize", capitalize_filter},
    {"string", string_filter},
    {"trim", trim_filter},
    {"title", title_filter},
    {"replace", replace_filter},
    {"indent", indent_filter},
    {"escape", escape_filter},
    {"e", escape_filter},
    {"forceescape", forced_escape_filter},
    {"safe", safe_filter},
    {"format", format_filter},
    {"wordcount", wordcount_filter},
    {"center", center_filter},
    {"truncate", truncate_filter},
    {"int", int_filter},
    {"float", float_filter},
    {"abs", abs_filter},
    {"round", round_filter},
    {"default", default_filter},
    {"d", default_filter},
    {"tojson", to_json},
};

}  // namespace

Filter find_text_filter(std::string_view name) {
  for (const auto& [known, filter] : kFilters) {
    if (name == known) return filter;
  }
  return nullptr;
}

}  // namespace tersor::jinja
