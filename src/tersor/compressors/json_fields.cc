#include "tersor/compressors/json_fields.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"

namespace tersor {
namespace {

// A value in an error: the text of scalars, the kind of containers.
std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("an array of {}", value.size());
  constexpr size_t kLongest = 60;
  std::string text = json_text(value);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return text;
}

}  // namespace

JsonField JsonField::operator[](std::string_view key) const {
  static const Json null;
  const auto found = value_->find(key);
  const std::string path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  return {found == value_->end() ? null : *found, origin_, path};
}

JsonField JsonField::element(size_t index) const {
  return {value_->at(index), origin_, fmt::format("{}[{}]", path_, index)};
}

const JsonField& JsonField::object() const {
  if (!value_->is_object()) expected("an object");
  return *this;
}

bool JsonField::boolean() const {
  if (!value_->is_boolean()) expected("true or false");
  return value_->get<bool>();
}

int64_t JsonField::integer() const {
  if (value_->is_number_unsigned() && value_->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    expected("an integer");
  if (value_->is_number_integer()) return value_->get<int64_t>();
  constexpr double kExact = 9007199254740992.0;  // 2^53: beyond, a double does not tell which integer it is
  if (value_->is_number_float()) {
    const double x = value_->get<double>();
    if (std::abs(x) <= kExact && std::trunc(x) == x) return static_cast<int64_t>(x);
  }
  expected("an integer");
}

double JsonField::number() const {
  if (!value_->is_number()) expected("a number");
  return value_->get<double>();
}

std::string JsonField::string() const {
  if (!value_->is_string()) expected("a string");
  return value_->get<std::string>();
}

std::vector<std::string> JsonField::strings() const {
  if (!value_->is_array()) expected("an array of strings");
  std::vector<std::string> result;
  for (size_t i = 0; i < value_->size(); ++i) result.push_back(element(i).string());
  return result;
}

void JsonField::only_keys(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, unused] : value_->items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const std::vector<std::string> known(keys.begin(), keys.end());
    const std::vector<std::string> near = nearest_names(key, known, 1);
    (*this)[key].fail("unknown key", near.empty() ? "" : fmt::format("did you mean `{}`?", near[0]));
  }
}

void JsonField::fail(const std::string& message, std::string help) const {
  throw input_error(path_.empty() ? fmt::format("{}: {}", origin_, message)
                                  : fmt::format("{}: {}: {}", origin_, path_, message),
                    std::move(help));
}

void JsonField::expected(std::string_view what) const {
  fail(fmt::format("expected {}, found {}", what, shown(*value_)));
}

}  // namespace tersor
