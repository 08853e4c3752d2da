// How plain YAML scalars read: YAML 1.1 as PyYAML's safe_load resolves it, without its numbers in base 60.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "tersor/io/yaml.h"

namespace tersor {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), text) != names.end();
}

// The text without the underscores that may group its digits.
std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

// [-+] (0b[01_]+ | 0x[0-9a-f_]+ | 0[0-7_]* | [1-9][0-9_]*)
std::optional<int64_t> YamlNode::as_int() const {
  if (kind != Kind::kScalar || quoted) return std::nullopt;
  std::string_view text = scalar;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.starts_with("0b") || text.starts_with("0B")) {
    base = 2;
    text.remove_prefix(2);
  } else if (text.starts_with("0o")) {
    base = 8;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
    text.remove_prefix(1);
  }
  if (text.empty() || text[0] == '-') return std::nullopt;
  const std::string digits = (negative ? "-" : "") + without_underscores(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<double> YamlNode::as_double() const {
  if (const std::optional<int64_t> whole = as_int()) return static_cast<double>(*whole);
  if (kind != Kind::kScalar || quoted) return std::nullopt;
  std::string_view text = scalar;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (is_one_of(text, {".inf", ".Inf", ".INF"})) return negative ? -INFINITY : INFINITY;
  if (is_one_of(scalar, {".nan", ".NaN", ".NAN"})) return NAN;
  const bool digit_first = !text.empty() && (text[0] == '.' || (text[0] >= '0' && text[0] <= '9'));
  if (!digit_first) return std::nullopt;  // keeps out from_chars' own "inf" and "nan"
  const std::string digits = (negative ? "-" : "") + without_underscores(text);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<bool> YamlNode::as_bool() const {
  if (kind != Kind::kScalar || quoted) return std::nullopt;
  if (is_one_of(scalar, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(scalar, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  return std::nullopt;
}

}  // namespace tersor
