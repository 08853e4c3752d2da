// How vLLM finds the config group of a layer, which is not how compressed-tensors does.
//
// Read from vLLM 0.32.0, layers/quantization/compressed_tensors/utils.py (find_matched_target): targets in
// the order of the config; first against the layer's own name, then, for a stacked layer, against each
// member's (all must match, the first one's target counts), then against the layer's class.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tersor/base/regex.h"
#include "tersor/compressors/load_view.h"

namespace tersor {

class VllmTargets {
 public:
  // Targets must compile (Error(kUsage) otherwise); `groups` must outlive the object.
  explicit VllmTargets(std::span<const QuantizationScheme* const> groups);

  struct Choice {
    const QuantizationScheme* scheme = nullptr;  // null: unquantized
    std::string_view target;
  };
  // `layer_class` is vLLM's name of the module's class: "RowParallelLinear", "RoutedExperts", ….
  Choice for_linear(std::string_view name, std::string_view layer_class) const;
  Choice for_stacked(const FusedModules& set) const;

 private:
  struct Pattern {
    size_t target;
    Regex regex;
  };
  // The first target that is `name` or a pattern that matches it; targets_.size() when none does.
  size_t by_name(std::string_view name) const;
  size_t by_class(std::string_view layer_class) const;
  Choice choice(size_t target) const;

  std::vector<Choice> targets_;                         // in order, each once
  std::unordered_map<std::string_view, size_t> names_;  // exact names and classes
  std::vector<Pattern> patterns_;
  std::vector<std::pair<std::string, size_t>> classes_;  // lower case; names of modules left out
};

}  // namespace tersor
