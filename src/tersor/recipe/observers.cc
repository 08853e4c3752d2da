#include "tersor/recipe/observers.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/recipe/yaml_fields.h"

namespace tersor {
namespace {

// imatrix_mse needs calibration data; it is known so that needs_calibration() can say so.
const std::vector<std::string> kObservers = {"memoryless_minmax", "static_minmax", "minmax",
                                             "memoryless_mse",    "mse",           "imatrix_mse"};
const std::vector<std::string> kAbsentObservers = {"nvfp4_expanded_mse", "nvfp4_expanded_imatrix",
                                                   "fouroversix"};

void choose(std::optional<QuantizationArgs>& args, const std::optional<std::string>& choice,
            const char* otherwise) {
  if (!args) return;
  if (choice) {
    args->observer = choice;
  } else if (!args->observer && args->dynamic != Dynamic::kTrue) {
    args->observer = otherwise;
  }
}

}  // namespace

void choose_observers(QuantizationScheme& scheme, const ObserverChoice& choice) {
  choose(scheme.weights, choice.weights, "memoryless_minmax");
  choose(scheme.input_activations, choice.input, "minmax");
  choose(scheme.output_activations, choice.output, "minmax");
}

std::string observer_name(std::string_view prefix, std::string_view name) {
  std::string canonical(name);
  std::ranges::transform(canonical, canonical.begin(), [](unsigned char c) {
    return c == '-' || c == ' ' ? '_' : static_cast<char>(std::tolower(c));
  });
  if (std::ranges::find(kObservers, canonical) != kObservers.end()) return canonical;
  if (std::ranges::find(kAbsentObservers, canonical) != kAbsentObservers.end()) {
    throw usage_error(fmt::format("{}the observer `{}` is not available in this version", prefix, name),
                      fmt::format("observers are {}", quoted_list(kObservers, "and")));
  }
  throw usage_error(fmt::format("{}unknown observer `{}`", prefix, excerpt(name)),
                    suggest(name, kObservers, "observers are"));
}

}  // namespace tersor
