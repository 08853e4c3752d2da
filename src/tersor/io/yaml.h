// YAML as a plain tree with places, so that a recipe's error can name its line. Wraps yaml-cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor {

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };

  Kind kind = Kind::kNull;
  std::string scalar;           // the text of a scalar
  bool quoted = false;          // written in quotes: a string whatever it looks like
  std::string tag;              // "!!python/object/apply:…" and the like; empty when plain
  std::vector<YamlNode> items;  // of a sequence
  std::vector<std::pair<std::string, YamlNode>> entries;  // of a mapping, in file order
  int line = 0;                                           // 1-based
  int column = 0;                                         // 1-based

  const YamlNode* find(std::string_view key) const;
  // YAML 1.1 readings of a plain scalar; nullopt when it is not one.
  std::optional<int64_t> as_int() const;
  std::optional<double> as_double() const;
  std::optional<bool> as_bool() const;
  bool is_null() const;  // kNull, `null`, `~`
};

// Parses one document. Throws Error(kUsage) with origin:line:column for bad YAML, repeated keys, aliases that
// would expand without bound, nesting deeper than 64 levels.
YamlNode parse_yaml(std::string_view text, const std::string& origin);

}  // namespace tersor
