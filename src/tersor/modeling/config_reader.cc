#include "tersor/modeling/config_reader.h"

#include <cmath>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"

namespace tersor {
namespace {

constexpr uint64_t kMaxSize = uint64_t{1} << 32;  // no dimension of a model comes near

Error wrong(const ConfigReader& reader, std::string_view key, std::string_view expected, const Json& value) {
  return input_error(fmt::format("{}: `{}` was expected to be {}, it is {}", reader.origin(), key, expected,
                                 printable(json_text(value))),
                     "compare config.json with the model's original one");
}

}  // namespace

const Json* ConfigReader::find(std::string_view key) const {
  if (!object_->is_object()) return nullptr;
  const auto it = object_->find(key);
  return it == object_->end() || it->is_null() ? nullptr : &*it;
}

bool ConfigReader::has(std::string_view key) const { return find(key) != nullptr; }

size_t ConfigReader::size_or_zero(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return 0;
  if (!value->is_number_unsigned() || value->get<uint64_t>() > kMaxSize) {
    throw wrong(*this, key, "a number from 0 to 2^32", *value);
  }
  return value->get<size_t>();
}

size_t ConfigReader::size(std::string_view key, size_t fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (size_or_zero(key) == 0) throw wrong(*this, key, "at least 1", *value);
  return value->get<size_t>();
}

size_t ConfigReader::size(std::string_view key) const {
  if (!has(key)) {
    throw input_error(fmt::format("{} has no `{}`, which running the model needs", origin_, key),
                      "compare config.json with the model's original one");
  }
  return size(key, 0);
}

double ConfigReader::number(std::string_view key, double fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number() || !std::isfinite(value->get<double>()))
    throw wrong(*this, key, "a number", *value);
  return value->get<double>();
}

bool ConfigReader::flag(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) throw wrong(*this, key, "true or false", *value);
  return value->get<bool>();
}

std::string ConfigReader::text(std::string_view key, std::string fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) throw wrong(*this, key, "a string", *value);
  return value->get<std::string>();
}

ConfigReader ConfigReader::object(std::string_view key) const {
  static const Json kEmpty = Json::object();
  const Json* value = find(key);
  if (value == nullptr) return {kEmpty, origin_};
  if (!value->is_object()) throw wrong(*this, key, "an object", *value);
  return {*value, origin_};
}

}  // namespace tersor
