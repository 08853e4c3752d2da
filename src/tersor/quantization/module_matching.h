// Which modules a recipe speaks of: exact names, `re:` patterns, class names (docs/formats.md, "Name
// matching").
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/base/regex.h"
#include "tersor/quantization/module_class.h"

namespace tersor {

// What readers put before a module's name, or leave out, in models of several parts: the language model's
// `model.layers.0.…` is `model.language_model.layers.0.…` to Transformers, `language_model.model.layers.0.…`
// to vLLM. The pattern matches any of them.
inline constexpr std::string_view kNameWrappers[] = {"model", "language_model"};
inline constexpr std::string_view kAnyWrappers = "((model|language_model)\\.)*";

struct ModuleName {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  ModuleClass module_class = ModuleClass::kLinear;
  // The names by which readers know it, where they differ: recipes are written with theirs as often.
  std::vector<std::string> other_spellings = {};
};

// A list of targets or ignores, compiled once. Immutable after construction; safe to use from several threads
// at once.
class NameMatcher {
 public:
  // Throws Error(kUsage) for a `re:` pattern that does not compile.
  explicit NameMatcher(std::span<const std::string> patterns);

  struct Hit {
    size_t pattern;   // index into the patterns; of a repeated pattern the first
    int specificity;  // 0 exact name, 1 regex, 2 class name
  };
  // The most specific pattern that matches; among regexes the first in string order, as compressed-tensors
  // sorts. Every spelling of the name counts alike. A regex matches as Python's re.match: from the start of
  // the dotted name, not to its end.
  std::optional<Hit> match(const ModuleName& module) const;

  const std::vector<std::string>& patterns() const { return patterns_; }

 private:
  struct Pattern {
    size_t index;
    Regex regex;
  };
  std::vector<std::string> patterns_;
  std::map<std::string, size_t, std::less<>> names_;  // exact and class names → index
  std::vector<Pattern> regexes_;                      // in string order
};

}  // namespace tersor
