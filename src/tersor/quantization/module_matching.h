// Which modules a recipe speaks of: exact names, `re:` patterns, class names (docs/formats.md, "Name
// matching").
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tersor/base/regex.h"

namespace tersor {

// What a weight belongs to, as far as names and shapes in a checkpoint tell. A class target matches by
// to_string().
enum class ModuleClass {
  kLinear,
  kEmbedding,
  kNorm,
  kRouter,  // an MoE gate: never matched by the class target "Linear"
  kConv,
  kOther,
};
std::string_view to_string(ModuleClass c);  // "Linear", "Embedding", …

struct ModuleName {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  ModuleClass module_class = ModuleClass::kLinear;
};

// A list of targets or ignores, compiled once.
class NameMatcher {
 public:
  // Throws Error(kUsage) for a `re:` pattern that does not compile.
  explicit NameMatcher(std::span<const std::string> patterns);

  struct Hit {
    size_t pattern;   // index into the patterns
    int specificity;  // 0 exact name, 1 regex, 2 class name
  };
  // The most specific pattern that matches; among regexes the first in string order, as compressed-tensors
  // sorts.
  std::optional<Hit> match(const ModuleName& module) const;

  const std::vector<std::string>& patterns() const { return patterns_; }

 private:
  struct Compiled {
    size_t index;
    std::optional<Regex> regex;
  };
  std::vector<std::string> patterns_;
  std::vector<Compiled> order_;  // as matched: exact names, then regexes, both in string order
};

}  // namespace tersor
