// YAML as a plain tree with places, so that a recipe's error can name its line. Wraps yaml-cpp.
//
// Scalars read as YAML 1.1, which PyYAML and hence llm-compressor follow: `yes` and `off` are booleans, 0x10
// and 1_000 whole numbers. JSON text parses too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tersor {

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };

  Kind kind = Kind::kNull;
  std::string scalar;              // the text of a scalar
  bool quoted = false;             // in quotes or a block scalar: a string whatever it looks like
  std::string tag;                 // "!!python/object/apply:…" and the like; empty when plain
  std::vector<YamlNode> items;     // of a sequence
  std::vector<YamlEntry> entries;  // of a mapping, in file order; merge keys (`<<`) are resolved
  int line = 0;                    // 1-based; of an alias, where it stands
  int column = 0;                  // 1-based, in characters

  // The value of a key; null when this is no mapping or has no such key.
  const YamlNode* find(std::string_view key) const;
  // Readings of a plain scalar; nullopt when it is not one. A whole number reads as a double too, and so does
  // `1e-3`, which PyYAML takes for a string and pydantic for a number again.
  std::optional<int64_t> as_int() const;
  std::optional<double> as_double() const;
  std::optional<bool> as_bool() const;
  bool is_null() const { return kind == Kind::kNull; }
};

struct YamlEntry {
  std::string key;
  YamlNode value;
  int line = 0;  // of the key
  int column = 0;
};

// Parses one document; an empty one is kNull. Throws Error(kUsage) with origin:line:column for bad YAML, text
// that is not UTF-8, a second document, repeated keys, keys that are no scalars, and beyond the bounds that
// no recipe comes near: 1 MiB of text, 64 KiB of one scalar, keys of 128 bytes, 64 levels, 100,000 nodes with
// aliases expanded.
YamlNode parse_yaml(std::string_view text, const std::string& origin);

}  // namespace tersor
