// A recipe from command-line flags, and overrides of sizes on a recipe.

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/recipe/observers.h"
#include "tersor/recipe/quantization_yaml.h"
#include "tersor/recipe/recipe.h"
#include "tersor/recipe/recipe_writer.h"

namespace tersor {
namespace {

// Keys and values as fp8 with one scale per tensor and layer, found by calibration: what vLLM loads.
QuantizationArgs kv_cache_scheme_named(std::string_view name) {
  if (lower_case(name) != "fp8") {
    throw usage_error(fmt::format("unknown KV cache scheme `{}`", name), "`fp8` is the one that there is");
  }
  QuantizationArgs args;
  args.type = QuantizationType::kFloat;
  return args;
}

bool has_groups(const std::optional<QuantizationArgs>& args) {
  return args && args->strategy == Strategy::kGroup;
}

// "`Linear` and 2 more": the targets of a scheme.
std::string targets_text(const QuantizationScheme& scheme) {
  if (scheme.targets.empty()) return "no target";
  if (scheme.targets.size() == 1) return fmt::format("`{}`", scheme.targets[0]);
  return fmt::format("`{}` and {} more", scheme.targets[0], scheme.targets.size() - 1);
}

// Why another group size does not fit; empty: it does.
std::string group_size_obstacle(const QuantizationScheme& scheme) {
  if (!scheme.weights) return "quantizes no weights";
  if (scheme.weights->strategy == Strategy::kTensorGroup || is_mx(*scheme.weights)) {
    return fmt::format("has groups of {}, which its format fixes", *scheme.weights->group_size);
  }
  switch (scheme.weights->strategy) {
    case Strategy::kGroup:
      return "";
    case Strategy::kBlock:
      return "has a scale per block, whose sizes are its block structure";
    case Strategy::kChannel:
      return "has a scale per row and no groups";
    default:
      return fmt::format("has weights of strategy `{}` and no groups", to_string(scheme.weights->strategy));
  }
}

std::string block_structure_obstacle(const QuantizationScheme& scheme) {
  if (!scheme.weights) return "quantizes no weights";
  if (scheme.weights->strategy == Strategy::kBlock) return "";
  return fmt::format("has weights of strategy `{}` and no blocks", to_string(scheme.weights->strategy));
}

void set_group_size(QuantizationScheme& scheme, int64_t size) {
  // Activations in the weights' groups stay in them.
  const bool shared = has_groups(scheme.input_activations) &&
                      scheme.input_activations->group_size == scheme.weights->group_size;
  if (size == -1) {
    scheme.weights->strategy = Strategy::kChannel;
    scheme.weights->group_size = std::nullopt;
    return;
  }
  scheme.weights->group_size = size;
  if (shared) scheme.input_activations->group_size = size;
}

// A block is as wide as a group of the activations that it meets.
void set_block_structure(QuantizationScheme& scheme, std::array<int64_t, 2> block) {
  scheme.weights->block_structure = block;
  if (has_groups(scheme.input_activations)) scheme.input_activations->group_size = block[1];
}

// Sets a size on every scheme that it fits; `what` opens the error when there is none.
template <typename Obstacle, typename Set>
void override_schemes(Recipe& recipe, const std::string& what, Obstacle obstacle, Set set) {
  bool fits = false;
  std::string reasons;
  for (Modifier& modifier : recipe.modifiers) {
    for (QuantizationScheme& scheme : modifier.quantization.groups) {
      const std::string reason = obstacle(scheme);
      if (reason.empty()) {
        set(scheme);
        validate(scheme, fmt::format("{} on {}", what, targets_text(scheme)));
        fits = true;
      } else {
        reasons += fmt::format("{}that of {} {}", reasons.empty() ? "" : "; ", targets_text(scheme), reason);
      }
    }
  }
  if (fits) return;
  throw usage_error(
      fmt::format("{} fits no scheme of the recipe: {}", what, reasons.empty() ? "it has none" : reasons));
}

}  // namespace

Recipe recipe_from_flags(const RecipeFlags& flags) {
  if (flags.scheme.empty() && (flags.kv_cache_scheme.empty() || !flags.targets.empty() ||
                               !flags.ignore.empty() || !flags.observer.empty())) {
    throw usage_error("no scheme is given",
                      fmt::format("schemes are {}", quoted_list(preset_scheme_names(), "and")));
  }
  Modifier modifier;
  const bool gptq = flags.method == "gptq";
  if (!gptq && !flags.method.empty() && flags.method != "rtn") {
    throw usage_error(fmt::format("unknown method `{}`", flags.method),
                      "methods are `rtn` (round to nearest) and `gptq`");
  }
  modifier.type = gptq ? "GPTQModifier" : "QuantizationModifier";
  if (gptq) {
    modifier.gptq = GptqParameters{.asymmetric_calibration = flags.asymmetric_calibration,
                                   .signed_scales = !flags.positive_scales};
  } else if (flags.asymmetric_calibration) {
    throw usage_error("`--asymmetric-calibration` is an option of GPTQ, but weights are rounded to nearest",
                      "add `--method gptq`");
  } else if (flags.positive_scales) {
    throw usage_error("`--positive-scales` is an option of GPTQ; scales of rounding to nearest are positive",
                      "take it away, or add `--method gptq`");
  }
  if (!flags.scheme.empty()) {
    QuantizationScheme scheme = *preset_scheme(preset_name("", flags.scheme));
    scheme.targets = flags.targets.empty() ? std::vector<std::string>{"Linear"} : flags.targets;
    for (const std::string& target : flags.targets)
      modifier.quantization.places.targets[target] = "--targets";
    if (!flags.observer.empty() && scheme.weights)
      scheme.weights->observer = observer_name("", flags.observer);
    if (gptq && scheme.weights) {
      if (flags.observer.empty()) scheme.weights->observer = gptq_weight_observer(*scheme.weights);
      scheme.weights->actorder = ActOrder::kStatic;
    }
    modifier.quantization.groups.push_back(std::move(scheme));
  }
  modifier.quantization.ignore = flags.ignore;
  for (const std::string& entry : flags.ignore) modifier.quantization.places.ignore[entry] = "--ignore";
  if (!flags.kv_cache_scheme.empty()) {
    modifier.quantization.kv_cache_scheme = kv_cache_scheme_named(flags.kv_cache_scheme);
  }
  Recipe recipe;
  recipe.modifiers.push_back(std::move(modifier));
  recipe.yaml = write_recipe(recipe.modifiers);
  return recipe;
}

void apply_overrides(Recipe& recipe, const SizeOverrides& overrides) {
  if (overrides.group_size) {
    const int64_t size = *overrides.group_size;
    if (size < -1 || size == 0) {
      throw usage_error(fmt::format("group size {}: must be positive, or -1 for one scale per row", size));
    }
    override_schemes(recipe, fmt::format("group size {}", size), group_size_obstacle,
                     [&](QuantizationScheme& scheme) { set_group_size(scheme, size); });
  }
  if (overrides.block_structure) {
    const auto [rows, cols] = *overrides.block_structure;
    if (rows <= 0 || cols <= 0) {
      throw usage_error(fmt::format("block structure {}x{}: both sizes must be positive", rows, cols));
    }
    if (rows > kMaxBlockSide || cols > kMaxBlockSide) {
      throw usage_error(
          fmt::format("block structure {}x{}: a side can be {} at most", rows, cols, kMaxBlockSide),
          "engines have kernels for 128,128");
    }
    override_schemes(recipe, fmt::format("block structure {}x{}", rows, cols), block_structure_obstacle,
                     [&](QuantizationScheme& scheme) { set_block_structure(scheme, {rows, cols}); });
  }
  if (overrides.group_size || overrides.block_structure) recipe.yaml = write_recipe(recipe.modifiers);
}

}  // namespace tersor
