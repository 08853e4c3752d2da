// config.json, key by key, with errors that name the key and the file.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "tersor/io/json.h"

namespace tersor {

// Views an object of config.json; null counts as absent. Throws Error(kInput) for a wrong type or value.
class ConfigReader {
 public:
  ConfigReader(const Json& object, std::string origin) : object_(&object), origin_(std::move(origin)) {}

  bool has(std::string_view key) const;
  const Json* find(std::string_view key) const;
  // A size of at least 1 (at most 2^32); without a fallback the key must be there.
  size_t size(std::string_view key) const;
  size_t size(std::string_view key, size_t fallback) const;
  // As size(), but zero (or absence) means none.
  size_t size_or_zero(std::string_view key) const;
  double number(std::string_view key, double fallback) const;
  bool flag(std::string_view key, bool fallback) const;
  std::string text(std::string_view key, std::string fallback) const;
  ConfigReader object(std::string_view key) const;

  const std::string& origin() const { return origin_; }
  const Json& json() const { return *object_; }

 private:
  const Json* object_;
  std::string origin_;
};

}  // namespace tersor
