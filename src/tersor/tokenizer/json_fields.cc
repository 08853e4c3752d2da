#include "tersor/tokenizer/json_fields.h"

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor::tokenizer {
namespace {

const Json* find(const Json& object, const char* key, const std::string& origin) {
  if (!object.is_object())
    throw input_error(
        fmt::format("{}: expected an object with the field `{}`, found {}", origin, key, json_kind(object)));
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Error wrong_type(const char* key, const char* expected, const Json& value, const std::string& origin) {
  return input_error(
      fmt::format("{}: the field `{}` must be {}, but is {}", origin, key, expected, json_kind(value)));
}

}  // namespace

const Json& require_field(const Json& object, const char* key, const std::string& origin) {
  const Json* value = find(object, key, origin);
  if (value == nullptr) throw input_error(fmt::format("{}: the field `{}` is missing", origin, key));
  return *value;
}

std::string string_field(const Json& object, const char* key, const std::string& origin) {
  const Json& value = require_field(object, key, origin);
  if (!value.is_string()) throw wrong_type(key, "a string", value, origin);
  return value.get<std::string>();
}

std::optional<std::string> optional_string_field(const Json& object, const char* key,
                                                 const std::string& origin) {
  if (find(object, key, origin) == nullptr) return std::nullopt;
  return string_field(object, key, origin);
}

bool bool_field(const Json& object, const char* key, bool fallback, const std::string& origin) {
  const Json* value = find(object, key, origin);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) throw wrong_type(key, "true or false", *value, origin);
  return value->get<bool>();
}

uint64_t uint_field(const Json& object, const char* key, const std::string& origin) {
  const Json& value = require_field(object, key, origin);
  if (!value.is_number_unsigned()) throw wrong_type(key, "a whole number, not negative", value, origin);
  return value.get<uint64_t>();
}

uint64_t uint_field(const Json& object, const char* key, uint64_t fallback, const std::string& origin) {
  return find(object, key, origin) == nullptr ? fallback : uint_field(object, key, origin);
}

std::string component_type(const Json& object, const char* what, const std::string& origin) {
  if (!object.is_object() || !object.contains("type"))
    throw input_error(fmt::format("{}: the {} has no `type`", origin, what));
  return string_field(object, "type", origin);
}

void unsupported_component(const char* what, const std::string& type, const std::string& origin) {
  throw input_error(fmt::format("{}: the {} type `{}` is not supported", origin, what, type),
                    "the tokenizer needs this step to give the model's own tokens, so it is not left out");
}

SplitPattern pattern_field(const Json& object, const char* key, const std::string& origin) {
  const Json& pattern = require_field(object, key, origin);
  if (pattern.is_object() && pattern.contains("String"))
    return SplitPattern::literal(string_field(pattern, "String", origin));
  if (pattern.is_object() && pattern.contains("Regex"))
    return SplitPattern::regex(string_field(pattern, "Regex", origin), origin);
  throw input_error(
      fmt::format("{}: the field `{}` must be {{\"String\": …}} or {{\"Regex\": …}}", origin, key));
}

}  // namespace tersor::tokenizer
