#include "tersor/recipe/recipe.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/io/file.h"
#include "tersor/recipe/modifier_yaml.h"
#include "tersor/recipe/recipe_writer.h"
#include "tersor/recipe/yaml_fields.h"

namespace tersor {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr std::string_view kStageSuffix = "_stage";
constexpr std::string_view kGroupSuffix = "_modifiers";
constexpr const char* kShape =
    "a recipe is default_stage: {default_modifiers: {QuantizationModifier: {scheme: W4A16, ignore: "
    "[lm_head]}}}";

// llm-compressor 0.14's modifiers, besides QuantizationModifier.
const std::vector<std::string> kAbsentModifiers = {"AWQModifier",
                                                   "AutoRoundModifier",
                                                   "ConstantPruningModifier",
                                                   "LogarithmicEqualizationModifier",
                                                   "QuIPModifier",
                                                   "MagnitudePruningModifier",
                                                   "REAPPruningModifier",
                                                   "SmoothQuantModifier",
                                                   "SparseGPTModifier",
                                                   "SpinQuantModifier",
                                                   "WandaPruningModifier"};
const std::vector<std::string> kModifiers = {"QuantizationModifier", "GPTQModifier"};

bool is_modifier_name(std::string_view key) { return key.ends_with("Modifier"); }

// "default_stage_0": one of several recipes in one file, which llm-compressor writes when a compressed model
// is compressed again, and does not read.
bool is_merged_stage(std::string_view key) {
  const size_t at = key.rfind(kStageSuffix);
  if (at == std::string_view::npos) return false;
  const std::string_view rest = key.substr(at + kStageSuffix.size());
  return rest.size() > 1 && rest[0] == '_' &&
         std::ranges::all_of(rest.substr(1), [](unsigned char c) { return std::isdigit(c); });
}

void read_modifier(RecipeSource& source, const YamlEntry& entry, Modifier modifier, Recipe& recipe) {
  modifier.type = entry.key;
  if (std::ranges::find(kAbsentModifiers, entry.key) != kAbsentModifiers.end()) {
    throw usage_error(fmt::format("{}: {} is not available in this version", source.place(entry), entry.key),
                      fmt::format("{} are: they take the same schemes", quoted_list(kModifiers, "and")));
  }
  if (std::ranges::find(kModifiers, entry.key) == kModifiers.end()) {
    std::vector<std::string> nearest = nearest_names(entry.key, kModifiers, 1);
    if (nearest.empty()) nearest = nearest_names(entry.key, kAbsentModifiers, 1);
    throw usage_error(fmt::format("{}: unknown modifier `{}`", source.place(entry), entry.key),
                      nearest.empty() ? fmt::format("{} are available", quoted_list(kModifiers, "and"))
                                      : fmt::format("did you mean {}?", quoted_list(nearest)));
  }
  if (entry.key == "GPTQModifier") {
    GptqModifier gptq = read_gptq_modifier(source, entry.value);
    modifier.quantization = std::move(gptq.quantization);
    modifier.gptq = gptq.parameters;
  } else {
    modifier.quantization = read_quantization_modifier(source, entry.value);
  }
  recipe.modifiers.push_back(std::move(modifier));
}

void read_group(RecipeSource& source, const YamlEntry& group, const std::string& stage, Recipe& recipe) {
  if (group.value.kind != YamlNode::Kind::kMapping) {
    throw usage_error(fmt::format("{}: `{}` must be a mapping from modifiers to their arguments, but is {}",
                                  source.place(group.value), group.key, describe(group.value)),
                      kShape);
  }
  Modifier modifier;
  modifier.stage = stage;
  modifier.group = group.key.substr(0, group.key.size() - kGroupSuffix.size());
  for (const YamlEntry& entry : group.value.entries) read_modifier(source, entry, modifier, recipe);
}

void read_stage(RecipeSource& source, const YamlEntry& stage, Recipe& recipe) {
  if (stage.value.kind != YamlNode::Kind::kMapping) {
    throw usage_error(fmt::format("{}: `{}` must be a mapping of `*_modifiers` groups, but is {}",
                                  source.place(stage.value), stage.key, describe(stage.value)),
                      kShape);
  }
  const std::string name = stage.key.substr(0, stage.key.size() - kStageSuffix.size());
  for (const YamlEntry& group : stage.value.entries) {
    if (group.key.ends_with(kGroupSuffix)) {
      read_group(source, group, name, recipe);
    } else if (is_modifier_name(group.key)) {
      throw usage_error(fmt::format("{}: {} stands outside a group", source.place(group), group.key),
                        "put it one level deeper, under default_modifiers");
    } else if (group.key != "run_type" || group.value.scalar != "oneshot") {  // of older recipes
      throw usage_error(
          fmt::format("{}: unknown key `{}` of the stage `{}`", source.place(group), group.key, stage.key),
          "the keys of a stage are groups, whose names end in `_modifiers`");
    }
  }
}

Error misplaced_key(const RecipeSource& source, const YamlEntry& entry) {
  if (is_merged_stage(entry.key)) {
    return usage_error(
        fmt::format("{}: `{}` is one of several recipes that llm-compressor joined into one file",
                    source.place(entry), entry.key),
        "keep the one to apply, and end its name in `_stage`");
  }
  if (is_modifier_name(entry.key)) {
    return usage_error(fmt::format("{}: {} stands outside a stage", source.place(entry), entry.key), kShape);
  }
  if (entry.key.ends_with(kGroupSuffix)) {
    return usage_error(fmt::format("{}: `{}` stands outside a stage", source.place(entry), entry.key),
                       "put it one level deeper, under default_stage");
  }
  return usage_error(fmt::format("{}: unknown key `{}` of the recipe", source.place(entry), entry.key),
                     "the keys of a recipe are stages, whose names end in `_stage`");
}

// The part of a Markdown file between the first two lines of `---` or `+++`, with as many newlines before it
// as the file has, so that places stay true.
std::string front_matter(const std::string& text, const std::string& path) {
  auto find_fence = [&](size_t from) { return std::min(text.find("---", from), text.find("+++", from)); };
  for (size_t line = 0; line < text.size(); line = text.find('\n', line) + 1) {
    const size_t first = text.find_first_not_of(" \t\r\n", line);
    if (first == std::string::npos) break;
    if (find_fence(first) == first) {
      const size_t begin = first + 3;
      const size_t end = find_fence(begin);
      if (end == std::string::npos) break;
      const auto newlines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(begin), '\n');
      return std::string(static_cast<size_t>(newlines), '\n') + text.substr(begin, end - begin);
    }
    if (text.find('\n', line) == std::string::npos) break;
  }
  throw usage_error(fmt::format("{}: no recipe in this Markdown file", path),
                    "a recipe stands at its top, between two lines of `---`");
}

}  // namespace

Recipe parse_recipe(const std::string& yaml, const std::string& origin) {
  RecipeSource source{origin};
  const YamlNode root = without_python_tags(source, parse_yaml(yaml, origin));
  if (root.kind != YamlNode::Kind::kMapping) {
    throw usage_error(
        fmt::format("{}: a recipe must be a mapping of `*_stage` stages, but is {}", origin, describe(root)),
        kShape);
  }
  Recipe recipe;
  for (const YamlEntry& entry : root.entries) {
    if (entry.key.ends_with(kStageSuffix)) {
      read_stage(source, entry, recipe);
    } else if (entry.key != "args") {  // without effect in llm-compressor too
      throw misplaced_key(source, entry);
    }
  }
  if (recipe.modifiers.empty())
    throw usage_error(fmt::format("{}: the recipe has no modifier", origin), kShape);
  // PyYAML takes no tabs between tokens; YAML and hence yaml-cpp does.
  if (yaml.find('\t') != std::string::npos) source.portable = false;
  recipe.yaml = source.portable ? yaml : write_recipe(recipe.modifiers);
  return recipe;
}

namespace {

std::string read_text_file(const std::string& path) {
  try {
    return read_stream(path, kMaxFileBytes);  // `--recipe <(…)` is a pipe
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kInput) throw;
    throw usage_error(fmt::format("the recipe cannot be read: {}", e.what()), e.help());
  }
}

}  // namespace

Recipe read_recipe_file(const std::string& path) {
  const std::string text = read_text_file(path);
  if (!path.ends_with(".md")) return parse_recipe(text, path);
  Recipe recipe = parse_recipe(front_matter(text, path), path);
  recipe.yaml.erase(0, recipe.yaml.find_first_not_of("\r\n"));
  return recipe;
}

}  // namespace tersor
