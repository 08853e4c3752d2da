#include "tersor/recipe/modifier_conflicts.h"

#include <optional>
#include <string>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

// A module's scheme by one modifier, by places in the recipe.
struct Claim {
  const Modifier& modifier;
  const QuantizationScheme& scheme;
  const std::string& target;

  // "GPTQModifier's target `Linear` (recipe.yaml:4:15)"
  std::string text() const {
    const auto& places = modifier.quantization.places.targets;
    const auto place = places.find(target);
    return fmt::format("{}'s target `{}`{}", modifier.type, target,
                       place == places.end() ? "" : fmt::format(" ({})", place->second));
  }
};

// Targets say where a scheme goes, not what it does.
bool same_work(const Claim& a, const Claim& b) {
  return a.scheme.weights == b.scheme.weights && a.scheme.input_activations == b.scheme.input_activations &&
         a.scheme.output_activations == b.scheme.output_activations && a.scheme.format == b.scheme.format &&
         a.modifier.gptq == b.modifier.gptq;
}

// Why `later` cannot take a module from `earlier`; null: the order of the file says what is meant.
const char* contradiction(const Claim& earlier, const Claim& later) {
  if (same_work(earlier, later)) return nullptr;
  if (earlier.modifier.gptq && earlier.scheme.weights)
    return "the codes that GPTQ solves would be thrown away";
  const bool activations_alone =
      !later.scheme.weights && (later.scheme.input_activations || later.scheme.output_activations);
  if (earlier.scheme.weights && activations_alone)
    return "the second has activations alone, and a module has one scheme: its weights would stay as they "
           "are";
  return nullptr;
}

std::optional<Claim> claim(const Modifier& modifier, const SchemeAssignment& assignment) {
  if (!assignment.group) return std::nullopt;
  return Claim{modifier, modifier.quantization.groups[*assignment.group], assignment.matched_target};
}

std::string module_text(const std::string& first, size_t count) {
  return count == 1 ? fmt::format("`{}`", first)
                    : fmt::format("`{}` and {} more module{}", first, count - 1, count == 2 ? "" : "s");
}

// What an `ignore` entry of `earlier` has to name, so that both have their own modules.
std::string advice(const Claim& earlier, const Claim& later) {
  if (!later.scheme.weights && earlier.scheme.weights && later.scheme.input_activations)
    return fmt::format(
        "give both parts in one group: config_groups: {{group_0: {{targets: ['{}'], weights: "
        "{{…}}, input_activations: {{…}}}}}}",
        later.target);
  if (later.target == earlier.target) return "remove one of the two";
  return fmt::format("add '{}' to `ignore` of the first ({}), or remove one of the two", later.target,
                     earlier.modifier.type);
}

void check_pair(const Modifier& a, std::span<const SchemeAssignment> of_a, const Modifier& b,
                std::span<const SchemeAssignment> of_b, std::span<const ModuleName> modules) {
  size_t count = 0;
  size_t first = 0;
  for (size_t m = 0; m < modules.size(); ++m) {
    const auto earlier = claim(a, of_a[m]);
    const auto later = claim(b, of_b[m]);
    if (!earlier || !later || contradiction(*earlier, *later) == nullptr) continue;
    if (count++ == 0) first = m;
  }
  if (count == 0) return;
  const Claim earlier = *claim(a, of_a[first]);
  const Claim later = *claim(b, of_b[first]);
  throw usage_error(fmt::format("two modifiers of the recipe claim {}: {}, then {}; {}",
                                module_text(modules[first].name, count), earlier.text(), later.text(),
                                contradiction(earlier, later)),
                    advice(earlier, later));
}

// A modifier that had modules and keeps none.
void check_left(const Recipe& recipe, size_t k, std::span<const std::vector<SchemeAssignment>> assignments,
                std::span<const ModuleName> modules) {
  const Modifier& modifier = recipe.modifiers[k];
  std::optional<size_t> taken;
  std::optional<size_t> taker;
  for (size_t m = 0; m < modules.size(); ++m) {
    const auto mine = claim(modifier, assignments[k][m]);
    if (!mine) continue;
    std::optional<size_t> by;
    for (size_t later = k + 1; later < recipe.modifiers.size(); ++later) {
      const auto theirs = claim(recipe.modifiers[later], assignments[later][m]);
      if (theirs && same_work(*mine, *theirs)) return;  // said twice
      if (theirs) by = later;
    }
    if (!by) return;
    if (!taken) {
      taken = m;
      taker = by;
    }
  }
  if (!taken) return;
  const Claim earlier = *claim(modifier, assignments[k][*taken]);
  const Claim later = *claim(recipe.modifiers[*taker], assignments[*taker][*taken]);
  throw usage_error(
      fmt::format("later modifiers of the recipe claim every module of {}: `{}` and all others go to {}",
                  earlier.text(), modules[*taken].name, later.text()),
      later.target == earlier.target
          ? "remove one of the two"
          : fmt::format("narrow the later one's target `{}`, or remove one of the two", later.target));
}

void check_kv_cache_schemes(const Recipe& recipe) {
  const Modifier* first = nullptr;
  for (const Modifier& modifier : recipe.modifiers) {
    if (!modifier.quantization.kv_cache_scheme) continue;
    if (first == nullptr) {
      first = &modifier;
    } else if (modifier.quantization.kv_cache_scheme != first->quantization.kv_cache_scheme) {
      throw usage_error(
          fmt::format("two modifiers of the recipe have a kv_cache_scheme, and these differ: {} ({}) and {} "
                      "({}), while a model has one for all its layers",
                      first->type, first->quantization.places.kv_cache_scheme, modifier.type,
                      modifier.quantization.places.kv_cache_scheme),
          "remove one of the two");
    }
  }
}

}  // namespace

void check_conflicts(const Recipe& recipe, std::span<const std::vector<SchemeAssignment>> assignments,
                     std::span<const ModuleName> modules) {
  check_kv_cache_schemes(recipe);
  for (size_t later = 1; later < recipe.modifiers.size(); ++later) {
    for (size_t k = 0; k < later; ++k)
      check_pair(recipe.modifiers[k], assignments[k], recipe.modifiers[later], assignments[later], modules);
  }
  for (size_t k = 0; k + 1 < recipe.modifiers.size(); ++k) check_left(recipe, k, assignments, modules);
}

}  // namespace tersor
