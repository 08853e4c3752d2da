#include "tersor/io/python_floats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace tersor {
namespace {

constexpr std::string_view kMark = "e0000000000008";
constexpr std::string_view kInfinity = "1.0e0000000000008";
constexpr std::string_view kNaN = "2.0e0000000000008";

const char* word(double value) { return std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity"; }

bool is_not_finite(const Json& value) {
  return value.is_number_float() && !std::isfinite(value.get<double>());
}

// Each number that is not finite, as the text <mark><word>.
void mark_floats(Json& value, const std::string& mark) {
  if (is_not_finite(value)) value = mark + word(value.get<double>());
  if (!value.is_structured()) return;
  for (Json& part : value) mark_floats(part, mark);
}

}  // namespace

std::optional<std::string> spell_python_floats(std::string_view text) {
  if (text.find(kMark) != text.npos) return std::nullopt;
  std::string out;
  bool found = false, in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (!in_string && rest.starts_with("Infinity")) {
      out += kInfinity;
      i += 7;
      found = true;
    } else if (!in_string && rest.starts_with("NaN")) {
      out += kNaN;
      i += 2;
      found = true;
    } else {
      if (text[i] == '"') in_string = !in_string;
      out += text[i];
      if (in_string && text[i] == '\\' && i + 1 < text.size()) out += text[++i];
    }
  }
  return found ? std::optional(std::move(out)) : std::nullopt;
}

bool is_spelled_float(std::string_view number) { return number.find(kMark) != number.npos; }

std::optional<double> spelled_float(std::string_view number) {
  if (number == kNaN) return std::numeric_limits<double>::quiet_NaN();
  if (number == kInfinity) return std::numeric_limits<double>::infinity();
  if (number.starts_with('-') && number.substr(1) == kInfinity)
    return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

bool has_python_float(const Json& value) {
  if (!value.is_structured()) return is_not_finite(value);
  return std::ranges::any_of(value, has_python_float);
}

std::string dump_with_python_floats(Json value, std::string (*dump)(const Json&)) {
  std::string mark = "@float:";
  for (const std::string plain = dump(value); plain.find(mark) != plain.npos;) mark.insert(0, "@");
  mark_floats(value, mark);
  std::string text = dump(value);
  for (const std::string_view name : {"NaN", "Infinity", "-Infinity"}) {
    const std::string quoted = '"' + mark + std::string(name) + '"';
    for (size_t at = 0; (at = text.find(quoted, at)) != text.npos; at += name.size())
      text.replace(at, quoted.size(), name);
  }
  return text;
}

}  // namespace tersor
