// A value of a JSON document with its place in it: typed reads whose errors name the file and the key's path.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/json.h"

namespace tersor {

// Refers to the document; must not outlive it.
class JsonField {
 public:
  // `origin` names the file; `path` is where `value` stands in it, empty for the document itself.
  JsonField(const Json& value, std::string origin, std::string path)
      : value_(&value), origin_(std::move(origin)), path_(std::move(path)) {}

  const Json& value() const { return *value_; }
  const std::string& path() const { return path_; }
  bool is_null() const { return value_->is_null(); }

  // The member `key`; a null when the object has none. REQUIRES: object().
  JsonField operator[](std::string_view key) const;
  JsonField element(size_t index) const;

  // Each throws Error(kInput) when the value has another type: "config.json: a.b.c: expected …, found …".
  const JsonField& object() const;
  bool boolean() const;
  int64_t integer() const;  // also 128.0
  double number() const;
  std::string string() const;
  std::vector<std::string> strings() const;  // an array of strings

  // Throws for a key that is not among `keys`, with the nearest of them as help. REQUIRES: object().
  void only_keys(std::initializer_list<std::string_view> keys) const;

  // Throws Error(kInput): "<origin>: <path>: <message>".
  [[noreturn]] void fail(const std::string& message, std::string help = "") const;
  [[noreturn]] void expected(std::string_view what) const;

 private:
  const Json* value_;
  std::string origin_;
  std::string path_;
};

}  // namespace tersor
