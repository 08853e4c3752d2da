#include "tersor/entrypoints/verify_config.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/io/file.h"
#include "tersor/io/json_differences.h"

namespace tersor {
namespace {

// The string at a key of an object; empty: none.
std::string string_at(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

void check_formats(const Json& json, ConfigCheck& check) {
  const std::string global = string_at(json, "format");
  const auto groups = json.find("config_groups");
  if (global.empty() || global == "mixed-precision" || groups == json.end() || !groups->is_object()) return;
  for (const auto& [name, group] : groups->items()) {
    const std::string own = group.is_object() ? string_at(group, "format") : "";
    if (!own.empty() && own != global)
      check.failures.push_back(
          fmt::format("config.json: `quantization_config.format` is {}, but that of {} is {}",
                      printable(global), printable(name), printable(own)));
  }
}

void check_column_order(const Checkpoint& output, const CompressionPlan& plan, ConfigCheck& check) {
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (!plan.decisions[m].scheme) continue;
    const auto& actorder = plan.schemes[*plan.decisions[m].scheme].weights->actorder;
    const std::string tensor = plan.inventory.modules[m].name.name + ".weight_g_idx";
    if (actorder != ActOrder::kGroup || output.tensors.contains(tensor)) continue;
    check.failures.push_back(fmt::format(
        "`{}` is missing: its group has `actorder: group`, which needs the order of the columns", tensor));
    return;
  }
}

}  // namespace

ConfigCheck check_planned_texts(const Checkpoint& output, const CompressionPlan& plan) {
  ConfigCheck check;
  for (const auto& [name, text] : plan.texts) {
    const bool is_json = name.ends_with(".json");
    if (!is_json) continue;  // recipe.yaml is what the plan was made of
    try {
      const Json found = name == "config.json" ? output.config : read_json_file(output.folder / name);
      for (const std::string& difference : json_differences(found, parse_json(text, name)))
        check.failures.push_back(fmt::format("{}: {}", name, difference));
    } catch (const Error& e) {
      check.failures.push_back(e.what());
    }
  }
  check.notes = notes_of_readers(plan.issues);
  return check;
}

ConfigCheck check_quantization_config(const Checkpoint& output, const QuantizationConfig& config,
                                      const CompressionPlan& plan) {
  ConfigCheck check;
  const Json& json = output.config.at("quantization_config");
  if (const std::string status = string_at(json, "quantization_status");
      !status.empty() && status != "compressed") {
    check.failures.push_back(fmt::format(
        "config.json: `quantization_config.quantization_status` is {}; compressed was expected of "
        "a checkpoint that stores codes",
        printable(status)));
  }
  check_formats(json, check);
  check_column_order(output, plan, check);

  LoadContext context = load_context(output.config, plan);
  context.ignore = config.ignore;
  context.kv_cache_scheme = config.kv_cache_scheme;
  const std::vector<LoadIssue> issues = check_load_rules(context);
  std::vector<std::string> unloadable = notes_of_readers(issues);
  auto& list = readers_that_load(issues).empty() ? check.failures : check.notes;
  list.insert(list.end(), unloadable.begin(), unloadable.end());
  return check;
}

std::vector<std::string> notes_of_readers(std::span<const LoadIssue> issues) {
  std::vector<std::string> notes;
  for (const LoadIssue& issue : issues) {
    if (issue.fatal) notes.push_back(fmt::format("does not load in {}: {}", issue.reader, issue.message));
  }
  return notes;
}

}  // namespace tersor
