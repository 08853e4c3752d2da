// Typed reading of a recipe's YAML values: what was expected, what came, and where, in every error.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/base/error.h"
#include "tersor/io/yaml.h"

namespace tersor {

// The text that is being read.
struct RecipeSource {
  std::string origin;
  // Whether llm-compressor can read the same text; cleared by whatever is accepted beyond it.
  bool portable = true;

  // "recipe.yaml:7:5"
  std::string place(const YamlNode& node) const;
  std::string place(const YamlEntry& entry) const;
};

// Text for messages: one line, and not too long for it.
std::string excerpt(std::string_view text);

// A value in words: "`four`", "the string \"4\"", "a list", "a mapping", "empty".
std::string describe(const YamlNode& node);

// "did you mean `a`? schemes are `a`, `b` and `c`": the nearest of `names`, and all of them; `are` is
// "schemes are".
std::string suggest(std::string_view name, std::span<const std::string> names, std::string_view are);

// Throws Error(kUsage) unless `node` is a mapping whose keys are all among `keys`; `what` names it:
// "QuantizationModifier".
void expect_mapping(const RecipeSource& source, const YamlNode& node, std::string_view what,
                    std::span<const std::string> keys);

// The value of `key`; null when it is absent or null.
const YamlNode* find_set(const YamlNode& node, std::string_view key);

// Scalars. Throw Error(kUsage) when the node is something else; `key` names it.
int64_t read_int(const RecipeSource& source, std::string_view key, const YamlNode& node);
double read_number(const RecipeSource& source, std::string_view key, const YamlNode& node);
bool read_bool(const RecipeSource& source, std::string_view key, const YamlNode& node);
std::string read_text(const RecipeSource& source, std::string_view key, const YamlNode& node);

// A list of names, or one name for a list of one.
std::vector<std::string> read_names(const RecipeSource& source, std::string_view key, const YamlNode& node);

// The tree without the tags of Python objects that llm-compressor's writer leaves behind: an enumerator
// (`!!python/object/apply:… [static]`) is its name, a tuple a list. Other tags are errors.
YamlNode without_python_tags(RecipeSource& source, YamlNode node);

}  // namespace tersor
