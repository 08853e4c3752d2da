#include "tersor/recipe/modifier_yaml.h"

#include <algorithm>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/quantization/observer.h"
#include "tersor/recipe/observers.h"
#include "tersor/recipe/quantization_yaml.h"

namespace tersor {
namespace {

const std::vector<std::string> kKeys = {"scheme", "targets", "ignore", "config_groups", "kv_cache_scheme",
                                        "observer", "weight_observer", "input_observer", "output_observer",
                                        "bypass_divisibility_checks",
                                        // Of every modifier: without effect on post-training quantization.
                                        "index", "start", "end", "update", "requires_calibration_data"};
const std::vector<std::string> kGptqKeys = {
    "block_size",       "dampening_frac",         "actorder",      "batched_quantization",
    "offload_hessians", "asymmetric_calibration", "signed_scales", "shrinkage"};
const std::vector<std::string> kObserverKeys = {"weights", "input", "output"};

// Checks the type of fields whose value changes nothing.
void check_idle_fields(const RecipeSource& source, const YamlNode& node) {
  if (const YamlNode* v = find_set(node, "index")) read_int(source, "index", *v);
  for (const char* key : {"start", "end", "update"}) {
    if (const YamlNode* v = find_set(node, key)) read_number(source, key, *v);
  }
  if (const YamlNode* v = node.find("requires_calibration_data")) {
    read_bool(source, "requires_calibration_data", *v);
  }
}

std::optional<std::string> read_observer(const RecipeSource& source, const YamlNode& node, const char* key) {
  const YamlNode* v = find_set(node, key);
  if (v == nullptr) return std::nullopt;
  return observer_name(source.place(*v) + ": ", read_text(source, key, *v));
}

ObserverChoice read_observers(const RecipeSource& source, const YamlNode& node) {
  ObserverChoice single = {read_observer(source, node, "weight_observer"),
                           read_observer(source, node, "input_observer"),
                           read_observer(source, node, "output_observer")};
  const YamlNode* observer = find_set(node, "observer");
  if (observer == nullptr) return single;
  if (observer->kind == YamlNode::Kind::kScalar) {
    throw usage_error(
        fmt::format("{}: `observer` must be a mapping, but is {}", source.place(*observer),
                    describe(*observer)),
        fmt::format("write observer: {{weights: {0}}}, or weight_observer: {0}", observer->scalar));
  }
  expect_mapping(source, *observer, "`observer`", kObserverKeys);
  if (single.weights || single.input || single.output) {
    throw usage_error(
        fmt::format("{}: `observer` and `weight_observer`, `input_observer` or `output_observer` "
                    "exclude each other",
                    source.place(*observer)),
        "keep `observer`");
  }
  return {read_observer(source, *observer, "weights"), read_observer(source, *observer, "input"),
          read_observer(source, *observer, "output")};
}

std::vector<std::string> read_targets(const RecipeSource& source, const YamlNode& node) {
  std::vector<std::string> targets = read_names(source, "targets", node);
  if (targets.empty()) {
    throw usage_error(fmt::format("{}: `targets` is empty", source.place(node)), "write targets: [Linear]");
  }
  return targets;
}

QuantizationScheme preset_group(const std::string& place, const std::string& name,
                                std::vector<std::string> targets) {
  QuantizationScheme scheme = *preset_scheme(preset_name(place + ": ", name));
  scheme.targets = std::move(targets);
  return scheme;
}

// `scheme`: a preset's name, which is for `targets`, or a mapping from presets to their targets.
std::vector<QuantizationScheme> read_presets(const RecipeSource& source, const YamlNode& node,
                                             const std::vector<std::string>& targets) {
  if (node.kind != YamlNode::Kind::kMapping) {
    return {preset_group(source.place(node), read_text(source, "scheme", node), targets)};
  }
  std::vector<QuantizationScheme> groups;
  for (const YamlEntry& entry : node.entries) {
    if (entry.key == "weights" || entry.key == "input_activations" || entry.key == "output_activations") {
      throw usage_error(
          fmt::format(
              "{}: a mapping under `scheme` goes from schemes to their targets, but `{}` is no scheme",
              source.place(entry), entry.key),
          "write a scheme's parts under config_groups: {group_0: {targets: [Linear], weights: {…}}}");
    }
    groups.push_back(preset_group(source.place(entry), entry.key, read_targets(source, entry.value)));
  }
  if (groups.empty()) {
    throw usage_error(fmt::format("{}: `scheme` is an empty mapping", source.place(node)),
                      "write scheme: W4A16, or scheme: {W4A16: [Linear]}");
  }
  return groups;
}

std::vector<QuantizationScheme> read_config_groups(RecipeSource& source, const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kMapping || node.entries.empty()) {
    throw usage_error(
        fmt::format("{}: `config_groups` must be a mapping from names to schemes, but is {}",
                    source.place(node),
                    node.entries.empty() && node.kind == YamlNode::Kind::kMapping ? "empty" : describe(node)),
        "write config_groups: {group_0: {targets: [Linear], weights: {num_bits: 8}}}");
  }
  std::vector<QuantizationScheme> groups;
  for (const YamlEntry& entry : node.entries) groups.push_back(read_scheme(source, entry.key, entry.value));
  return groups;
}

std::vector<QuantizationScheme> read_groups(RecipeSource& source, const YamlNode& node) {
  const YamlNode* scheme = find_set(node, "scheme");
  const YamlNode* config_groups = find_set(node, "config_groups");
  const YamlNode* targets_node = node.find("targets");
  const std::vector<std::string> targets =
      targets_node != nullptr ? read_targets(source, *targets_node) : std::vector<std::string>{"Linear"};
  if (scheme != nullptr && config_groups != nullptr) {
    throw usage_error(
        fmt::format("{}: `scheme` and `config_groups` exclude each other", source.place(*scheme)),
        "keep one of the two");
  }
  const bool groups_name_targets =
      config_groups != nullptr || (scheme != nullptr && scheme->kind == YamlNode::Kind::kMapping);
  if (groups_name_targets && targets != std::vector<std::string>{"Linear"}) {
    throw usage_error(
        fmt::format(
            "{}: `targets` has no effect, since {} its own", source.place(*targets_node),
            config_groups != nullptr ? "every group of `config_groups` has" : "every entry of `scheme` has"),
        "take it away, or give its names to a group");
  }
  if (scheme != nullptr) return read_presets(source, *scheme, targets);
  if (config_groups != nullptr) return read_config_groups(source, *config_groups);
  return {};
}

// An observer and its arguments may come from two places, so that they are checked when both are known.
void check_weight_observers(const RecipeSource& source, const YamlNode& node,
                            const std::vector<QuantizationScheme>& groups) {
  const YamlNode* config_groups = find_set(node, "config_groups");
  for (size_t g = 0; g < groups.size(); ++g) {
    if (!groups[g].weights) continue;
    const YamlNode* weights =
        config_groups != nullptr ? config_groups->entries[g].value.find("weights") : &node;
    const std::string name =
        config_groups != nullptr ? config_groups->entries[g].key + ".weights" : "weights";
    validate_weight_observer(*groups[g].weights, fmt::format("{}: {}", source.place(*weights), name));
  }
}

// Keys and values are quantized as a tensor each, or per head.
QuantizationArgs read_kv_cache_scheme(const RecipeSource& source, const YamlNode& node) {
  const QuantizationArgs args = read_args(source, "kv_cache_scheme", node);
  if (args.strategy != Strategy::kTensor && args.strategy != Strategy::kAttnHead) {
    throw usage_error(fmt::format("{}: kv_cache_scheme: strategy `{}` is not one for keys and values",
                                  source.place(node), to_string(args.strategy)),
                      "use strategy: tensor or attn_head");
  }
  return args;
}

// Where each name of a list, or a name by itself, stands; of a repeated one the first.
void note_places(const RecipeSource& source, const YamlNode* names,
                 std::map<std::string, std::string, std::less<>>& places) {
  if (names == nullptr) return;
  if (names->kind == YamlNode::Kind::kScalar) places.try_emplace(names->scalar, source.place(*names));
  for (const YamlNode& item : names->items) places.try_emplace(item.scalar, source.place(item));
}

PatternPlaces pattern_places(const RecipeSource& source, const YamlNode& node) {
  PatternPlaces places;
  note_places(source, node.find("targets"), places.targets);
  note_places(source, node.find("ignore"), places.ignore);
  const YamlNode* scheme = find_set(node, "scheme");
  if (scheme != nullptr) {
    for (const YamlEntry& preset : scheme->entries) note_places(source, &preset.value, places.targets);
    places.targets.try_emplace("Linear", source.place(*scheme));  // where no targets are given
  }
  if (const YamlNode* groups = find_set(node, "config_groups")) {
    for (const YamlEntry& group : groups->entries)
      note_places(source, group.value.find("targets"), places.targets);
  }
  if (const YamlNode* v = find_set(node, "kv_cache_scheme")) places.kv_cache_scheme = source.place(*v);
  return places;
}

}  // namespace

namespace {

// The observer of weights where a recipe leaves it open.
using DefaultObserver = std::string(const QuantizationArgs& weights);

// The part that all quantizing modifiers have. `keys`: all that may stand in `node`; `default_observer`: null
// for the preset's.
QuantizationModifier read_quantization(RecipeSource& source, const YamlNode& node, const std::string& type,
                                       const std::vector<std::string>& keys,
                                       DefaultObserver* default_observer) {
  if (const auto group = std::ranges::find(node.entries, "group", &YamlEntry::key);
      group != node.entries.end()) {
    throw usage_error(
        fmt::format("{}: `group` cannot be set: it is the name before `_modifiers`", source.place(*group)),
        "take it away");
  }
  expect_mapping(source, node, type, keys);
  check_idle_fields(source, node);
  QuantizationModifier modifier;
  modifier.groups = read_groups(source, node);
  ObserverChoice observers = read_observers(source, node);
  const bool presets = find_set(node, "config_groups") == nullptr;
  if (default_observer != nullptr && !observers.weights) {
    // Observers of config groups are what the recipe says; those of presets are nobody's choice.
    for (QuantizationScheme& group : modifier.groups) {
      if (group.weights && (presets || !group.weights->observer))
        group.weights->observer = default_observer(*group.weights);
    }
  }
  for (QuantizationScheme& group : modifier.groups) choose_observers(group, observers);
  check_weight_observers(source, node, modifier.groups);
  if (const YamlNode* v = node.find("ignore")) {
    if (v->kind == YamlNode::Kind::kScalar) source.portable = false;
    modifier.ignore = read_names(source, "ignore", *v);
  }
  modifier.places = pattern_places(source, node);
  if (const YamlNode* v = find_set(node, "kv_cache_scheme")) {
    modifier.kv_cache_scheme = read_kv_cache_scheme(source, *v);
  }
  if (const YamlNode* v = node.find("bypass_divisibility_checks")) {
    modifier.bypass_divisibility_checks = read_bool(source, "bypass_divisibility_checks", *v);
  }
  if (modifier.groups.empty() && !modifier.kv_cache_scheme) {
    throw usage_error(
        fmt::format("{}: {} has no scheme, so it would quantize nothing", source.place(node), type),
        "add scheme: W4A16 or another preset, or config_groups");
  }
  return modifier;
}

// How many modules are solved at a time and where Hessians live change no byte: --max-memory decides. Checked
// all the same.
void check_memory_fields(RecipeSource& source, const YamlNode& node) {
  if (const YamlNode* v = find_set(node, "batched_quantization")) {
    const bool automatic = v->kind == YamlNode::Kind::kScalar && v->scalar == "auto";
    if (!automatic && read_int(source, "batched_quantization", *v) < 1) {
      throw usage_error(
          fmt::format("{}: batched_quantization must be auto, a count of modules or null, but is {}",
                      source.place(*v), describe(*v)),
          "leave it out: it changes nothing here");
    }
  }
  if (const YamlNode* v = find_set(node, "offload_hessians")) {
    read_bool(source, "offload_hessians", *v);
    source.portable = false;  // of older versions
  }
}

// Whether a group of `config_groups` has an actorder that is spelt otherwise.
bool spells_otherwise(const YamlNode& node, const YamlNode& given) {
  const YamlNode* groups = find_set(node, "config_groups");
  return groups != nullptr && std::ranges::any_of(groups->entries, [&](const YamlEntry& group) {
           const YamlNode* weights = group.value.find("weights");
           const YamlNode* order = weights == nullptr ? nullptr : find_set(*weights, "actorder");
           return order != nullptr && order->scalar != given.scalar;
         });
}

// actorder: null is a choice too; the modifier's and a scheme's must not differ.
void read_actorder_of_gptq(RecipeSource& source, const YamlNode& node, QuantizationModifier& modifier) {
  const YamlNode* given = node.find("actorder");
  const std::optional<ActOrder> order = given == nullptr   ? ActOrder::kStatic
                                        : given->is_null() ? std::nullopt
                                                           : read_actorder(source, *given);
  // llm-compressor saves `weight` in the scheme beside its own default `static`, and then refuses to read
  // both.
  if (given != nullptr && spells_otherwise(node, *given)) source.portable = false;
  for (QuantizationScheme& group : modifier.groups) {
    if (!group.weights) continue;
    if (given != nullptr && group.weights->actorder && group.weights->actorder != order) {
      throw usage_error(
          fmt::format("{}: actorder of GPTQModifier is not that of its scheme's weights, `static`",
                      source.place(*given)),
          "keep one of the two");
    }
    group.weights->actorder = order;
  }
}

}  // namespace

QuantizationModifier read_quantization_modifier(RecipeSource& source, const YamlNode& node) {
  return read_quantization(source, node, "QuantizationModifier", kKeys, nullptr);
}

GptqModifier read_gptq_modifier(RecipeSource& source, const YamlNode& node) {
  std::vector<std::string> keys = kKeys;
  keys.insert(keys.end(), kGptqKeys.begin(), kGptqKeys.end());
  GptqModifier modifier;
  modifier.quantization = read_quantization(source, node, "GPTQModifier", keys, gptq_weight_observer);
  read_actorder_of_gptq(source, node, modifier.quantization);
  if (const YamlNode* v = find_set(node, "block_size")) {
    const int64_t size = read_int(source, "block_size", *v);
    if (size < 1 || size > 4096) {
      throw usage_error(
          fmt::format("{}: block_size is {}, but must be 1 to 4096 columns", source.place(*v), size),
          "leave it out: 128 is best on all machines known");
    }
    modifier.parameters.block_size = static_cast<int>(size);
  }
  if (const YamlNode* v = find_set(node, "dampening_frac")) {
    const double frac = read_number(source, "dampening_frac", *v);
    if (!(frac >= 0 && frac <= 1)) {
      throw usage_error(fmt::format("{}: dampening_frac is {}, but must be 0 to 1", source.place(*v), frac),
                        "leave it out for 0.01");
    }
    modifier.parameters.dampening_frac = frac;
  }
  if (const YamlNode* v = find_set(node, "shrinkage")) {
    const double shrinkage = read_number(source, "shrinkage", *v);
    if (!(shrinkage >= 0 && shrinkage <= 100)) {
      throw usage_error(fmt::format("{}: shrinkage is {}, but must be 0 to 100", source.place(*v), shrinkage),
                        "leave it out for 0.1; 0 takes the Hessian as it is");
    }
    modifier.parameters.shrinkage = shrinkage;
  }
  if (const YamlNode* v = find_set(node, "asymmetric_calibration")) {
    modifier.parameters.asymmetric_calibration = read_bool(source, "asymmetric_calibration", *v);
  }
  if (const YamlNode* v = find_set(node, "signed_scales"))
    modifier.parameters.signed_scales = read_bool(source, "signed_scales", *v);
  check_memory_fields(source, node);
  return modifier;
}

}  // namespace tersor
