#include "tersor/io/python_numbers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

namespace tersor {
namespace {

constexpr std::string_view kMark = "e0000000000008";
constexpr std::string_view kInfinity = "1.0e0000000000008";
constexpr std::string_view kNaN = "2.0e0000000000008";

const char* word(double value) { return std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity"; }

bool is_not_finite(const Json& value) {
  return value.is_number_float() && !std::isfinite(value.get<double>());
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "1E400": whether a number, without its sign, is a float of JSON beyond double.
bool overflows(std::string_view number) {
  size_t at = 0;
  auto digits = [&] {
    const size_t begin = at;
    while (at < number.size() && is_digit(number[at])) ++at;
    return at - begin;
  };
  const size_t whole = digits();
  if (whole == 0 || (whole > 1 && number[0] == '0') || at == number.size()) return false;
  if (number[at] == '.' && (++at, digits() == 0)) return false;
  if (at < number.size() && (number[at] == 'e' || number[at] == 'E')) {
    ++at;
    if (at < number.size() && (number[at] == '+' || number[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == number.size() && std::isinf(std::strtod(std::string(number).c_str(), nullptr));
}

// Each such number, as the text <mark><what Python writes>.
void mark_numbers(Json& value, const std::string& mark) {
  if (is_not_finite(value)) value = mark + word(value.get<double>());
  if (value.is_binary()) value = mark + std::string(value.get_binary().begin(), value.get_binary().end());
  if (!value.is_structured()) return;
  for (Json& part : value) mark_numbers(part, mark);
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
    } else if (!in_string && is_digit(text[i])) {
      const std::string_view number =
          rest.substr(0, std::min(rest.find_first_not_of("0123456789.eE+-"), rest.size()));
      const bool beyond = overflows(number);
      out += beyond ? kInfinity : number;
      i += number.size() - 1;
      found |= beyond;
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

Json whole_or_float(double value, const std::string& text) {
  if (text.find_first_of(".eE") != text.npos) return value;
  return Json::binary(std::vector<uint8_t>(text.begin(), text.end()));
}

bool has_python_number(const Json& value) {
  if (!value.is_structured()) return is_not_finite(value) || value.is_binary();
  return std::ranges::any_of(value, has_python_number);
}

std::string dump_with_python_numbers(Json value, std::string (*dump)(const Json&)) {
  std::string mark = "@number:";
  auto without_numbers = [](Json plain) {
    mark_numbers(plain, "");
    return plain;
  };
  for (const std::string plain = dump(without_numbers(value)); plain.find(mark) != plain.npos;)
    mark.insert(0, "@");
  mark_numbers(value, mark);
  const std::string text = dump(value), quoted = '"' + mark;
  std::string out;
  size_t at = 0;
  for (size_t next; (next = text.find(quoted, at)) != text.npos;) {
    const size_t begin = next + quoted.size(), end = text.find('"', begin);
    out.append(text, at, next - at).append(text, begin, end - begin);
    at = end + 1;
  }
  return out + text.substr(at);
}

}  // namespace tersor
