#include "tersor/pipelines/compression_plan.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/base/version.h"
#include "tersor/compressors/load_view.h"
#include "tersor/compressors/quantization_config.h"
#include "tersor/io/hash.h"
#include "tersor/pipelines/calibration_plan.h"
#include "tersor/pipelines/finished_output.h"
#include "tersor/pipelines/ignore_list.h"
#include "tersor/pipelines/output_layout.h"
#include "tersor/pipelines/portable_targets.h"
#include "tersor/pipelines/reader_spelling.h"

namespace tersor {
namespace {

// Throws when a scheme fell on something that cannot carry one.
void check_quantizable(const SourceModule& module, const Checkpoint& checkpoint,
                       const ModuleInventory& inventory) {
  const bool dense = module.is_matrix() && is_weight_dtype(module.dtype);
  if (module.unsupported.empty() && dense) return;
  const std::string where =
      fmt::format("`{}` in {}", module.name.name,
                  (checkpoint.folder / checkpoint.shards[module.place.shard].file_name).string());
  const std::string skip = "leave it as it is: " + flags_to_ignore(inventory, module.name.name);
  if (!module.unsupported.empty()) {
    throw input_error(fmt::format("{} cannot be quantized: {}", where, module.unsupported),
                      "leave the experts as they are: `--ignore 're:.*\\.experts\\..*'`");
  }
  if (!module.is_matrix()) {
    throw input_error(
        fmt::format("{} has shape {}; a scheme needs a matrix [out, in]", where, to_string(module.shape)),
        skip);
  }
  throw input_error(
      fmt::format("{} is stored as {}; BF16, F16 or F32 was expected", where, dtype_name(module.dtype)),
      skip);
}

// "lm_head: tied to model.embed_tokens; model.norm and 20 more: …": the rarest reasons first, since they tell
// most.
std::string why_none(const CompressionPlan& plan) {
  constexpr size_t kReasons = 3;
  std::map<std::string, std::vector<size_t>> modules;
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    const SourceModule& module = plan.inventory.modules[m];
    if (module.is_matrix() || !module.has_weight) modules[plan.decisions[m].reason].push_back(m);
  }
  if (modules.empty()) return "it holds no matrix";
  std::vector<std::pair<std::string, std::vector<size_t>>> reasons(modules.begin(), modules.end());
  std::ranges::stable_sort(reasons, {}, [](const auto& reason) { return reason.second.size(); });
  std::string text;
  for (const auto& [reason, which] : std::span(reasons).first(std::min(kReasons, reasons.size()))) {
    text +=
        fmt::format("{}{}{}: {}", text.empty() ? "" : "; ", plan.inventory.modules[which.front()].name.name,
                    which.size() > 1 ? fmt::format(" and {} more", which.size() - 1) : "", reason);
  }
  return text;
}

// Returns the recipe's kv_cache_scheme.
std::optional<QuantizationArgs> decide(const Checkpoint& checkpoint, const Recipe& recipe,
                                       CompressionPlan& plan) {
  std::vector<ModuleName> names;
  names.reserve(plan.inventory.modules.size());
  const bool renamed = is_multipart(checkpoint.config);
  for (const SourceModule& m : plan.inventory.modules) {
    names.push_back(m.name);
    if (renamed) names.back().other_spellings = other_spellings(m.name.name);
  }
  ResolvedRecipe resolved = resolve_recipe(recipe, names);

  // Schemes in use are numbered in order of their first module, as the reference writer numbers them.
  std::map<size_t, size_t> renumbered;
  plan.decisions.resize(names.size());
  for (size_t m = 0; m < names.size(); ++m) {
    const SourceModule& module = plan.inventory.modules[m];
    const SchemeAssignment& assigned = resolved.assignments[m];
    ModuleDecision& decision = plan.decisions[m];
    if (!assigned.group || !module.kept_because.empty()) {
      decision.reason = assigned.group ? module.kept_because : assigned.reason;
      continue;
    }
    if (!resolved.groups[*assigned.group].weights) {
      decision.reason = "its scheme leaves weights as they are";
      continue;
    }
    check_quantizable(module, checkpoint, plan.inventory);
    const auto [it, fresh] = renumbered.try_emplace(*assigned.group, plan.schemes.size());
    if (fresh) {
      plan.schemes.push_back(resolved.groups[*assigned.group]);
      plan.schemes.back().format = format_of(plan.schemes.back());
    }
    decision.scheme = it->second;
    decision.gptq = resolved.gptq[m];
    decision.matched_target = assigned.matched_target;
    plan.quantized_source += *num_bytes(module.shape, module.dtype);
  }
  if (plan.schemes.empty() && !resolved.kv_cache_scheme) {
    throw usage_error("the recipe quantizes no module of this checkpoint: " + why_none(plan),
                      "`tersor inspect` lists the modules that are there");
  }
  if (renamed) make_targets_portable(plan);
  return resolved.kv_cache_scheme;
}

// config.json's `ignore`, from the decisions.
std::vector<std::string> ignored_modules(const Checkpoint& checkpoint, const CompressionPlan& plan) {
  const bool embeddings_quantized = [&] {
    for (size_t m = 0; m < plan.decisions.size(); ++m) {
      if (plan.decisions[m].scheme && plan.inventory.modules[m].name.module_class == ModuleClass::kEmbedding)
        return true;
    }
    return false;
  }();
  IgnoreNames names;
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    const SourceModule& module = plan.inventory.modules[m];
    if (plan.decisions[m].scheme) {
      names.quantized.push_back(module.name.name);
      continue;
    }
    if (module.kept_because == kMtpReason) continue;
    const ModuleClass c = module.name.module_class;
    if (c == ModuleClass::kLinear || c == ModuleClass::kRouter ||
        (c == ModuleClass::kEmbedding && embeddings_quantized)) {
      names.ignored.push_back(module.name.name);
    }
  }
  std::vector<std::string> ignore = ignore_list(names, is_multipart(checkpoint.config));
  ignore.insert(ignore.end(), plan.inventory.mtp_patterns.begin(), plan.inventory.mtp_patterns.end());
  return ignore;
}

// `text` as a JSON string. Names are nearly always plain, and a checkpoint has hundreds of thousands.
std::string json_string(const std::string& text) {
  const bool plain =
      std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  return plain ? "\"" + text + "\"" : Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

struct TensorFile {
  const std::string* tensor;
  const std::string* file;
};

// Every tensor of the output with its file, by name. Throws Error(kInput) when two have one name.
std::vector<TensorFile> tensors_by_name(const std::vector<PlannedShard>& shards) {
  std::vector<TensorFile> out;
  for (const PlannedShard& shard : shards) {
    for (const TensorInfo& info : shard.tensors) out.push_back({&info.name, &shard.file_name});
  }
  std::ranges::sort(out, [](const TensorFile& a, const TensorFile& b) { return *a.tensor < *b.tensor; });
  const auto twin = std::ranges::adjacent_find(
      out, [](const TensorFile& a, const TensorFile& b) { return *a.tensor == *b.tensor; });
  if (twin != out.end()) {
    throw input_error(
        fmt::format("the output would hold two tensors named `{}` (in {} and {})", *twin->tensor, *twin->file,
                    *std::next(twin)->file),
        "the checkpoint holds a tensor with the name of one that compression makes: ignore its module, "
        "or remove the stray tensor");
  }
  return out;
}

// The layout of dump_json, written without the tree of its 200,000 entries.
std::string index_json(const Checkpoint& checkpoint, const std::vector<PlannedShard>& shards,
                       const std::vector<TensorFile>& tensors) {
  Json metadata = checkpoint.index_metadata.is_object() ? checkpoint.index_metadata : Json::object();
  metadata.erase("total_parameters");  // counts elements of the source's tensors
  uint64_t total = 0;
  for (const PlannedShard& shard : shards) {
    for (const TensorInfo& info : shard.tensors) total += info.bytes();
  }
  metadata["total_size"] = total;
  std::string text = dump_json(Json{{"metadata", metadata}});
  text.resize(text.size() - 2);  // "\n}"
  text += ",\n  \"weight_map\": {";
  const char* separator = "\n";
  for (const TensorFile& t : tensors) {
    text += separator;
    text += "    " + json_string(*t.tensor) + ": " + json_string(*t.file);
    separator = ",\n";
  }
  return text + "\n  }\n}";
}

void write_texts(const Checkpoint& checkpoint, const Recipe& recipe,
                 const std::optional<QuantizationArgs>& kv_cache_scheme, CompressionPlan& plan) {
  Json config = checkpoint.config;
  config["quantization_config"] = quantization_config_to_json(
      {.groups = plan.schemes, .ignore = plan.ignore, .kv_cache_scheme = kv_cache_scheme});
  plan.texts.emplace_back("config.json", dump_json(config));
  plan.texts.emplace_back("recipe.yaml", recipe.yaml);
  const std::vector<TensorFile> tensors = tensors_by_name(plan.shards);
  // Readers without an index look for one file, model.safetensors.
  const bool one_file = plan.shards.size() == 1 && plan.shards[0].file_name == "model.safetensors";
  if (checkpoint.has_index || !one_file)
    plan.texts.emplace_back("model.safetensors.index.json", index_json(checkpoint, plan.shards, tensors));
}

// The fatal issues as one error, each with its fix.
Error unloadable_error(const std::vector<LoadIssue>& issues) {
  std::string message = "the result would not load";
  std::set<std::string> fixes;
  std::string help;
  for (const LoadIssue& issue : issues) {
    if (!issue.fatal) continue;
    message += fmt::format("\n  {}: {}", issue.reader, issue.message);
    if (!issue.fix.empty() && fixes.insert(issue.fix).second) help += (help.empty() ? "" : "\n") + issue.fix;
  }
  return {ErrorCode::kPlanRefused, message, help};
}

// Whether groups divide the columns: those that do not have no layout, whatever the readers.
bool groups_divide(const CompressionPlan& plan) {
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (!plan.decisions[m].scheme) continue;
    const auto& group_size = plan.schemes[*plan.decisions[m].scheme].weights->group_size;
    if (group_size && *group_size > 0 &&
        plan.inventory.modules[m].in() % static_cast<uint64_t>(*group_size) != 0)
      return false;
  }
  return true;
}

std::string fingerprint_of(const Checkpoint& checkpoint, const CompressionPlan& plan) {
  std::string all = version();
  for (const Shard& shard : checkpoint.shards)
    all += "\n" + shard.file_name + " " + shard.source->fingerprint();
  for (const auto& [name, text] : plan.texts) all += "\n" + hash_hex(text);
  for (const QuantizationScheme& scheme : plan.schemes) all += "\n" + args_to_json(*scheme.weights).dump();
  for (const PlannedShard& shard : plan.shards) all += "\n" + hash_hex(shard.header);
  return hash_hex(all);
}

}  // namespace

CompressionPlan make_plan(const Checkpoint& checkpoint, const Recipe& recipe, const PlanOptions& options) {
  CompressionPlan plan;
  plan.inventory = take_inventory(checkpoint);
  const auto kv_cache_scheme = decide(checkpoint, recipe, plan);
  plan_calibration(checkpoint, needs_calibration(recipe), kv_cache_scheme, plan);
  plan.ignore = ignored_modules(checkpoint, plan);
  LoadContext context = load_context(checkpoint.config, plan);
  context.tensor_parallel = options.tensor_parallel;
  context.kv_cache_scheme = kv_cache_scheme;
  plan.issues = check_load_rules(context);
  for (const Shard& shard : checkpoint.shards) plan.source_bytes += shard.source->size();
  plan.writable = groups_divide(plan);
  if (!plan.writable) return plan;
  lay_out_shards(checkpoint, plan);
  write_texts(checkpoint, recipe, kv_cache_scheme, plan);

  for (const OtherFile& file : checkpoint.other_files) {
    const bool ours =
        std::ranges::any_of(plan.texts, [&](const auto& t) { return t.first == file.relative_path; });
    if (!ours) plan.carried.push_back(file);
  }
  for (const PlannedShard& shard : plan.shards) plan.output_bytes += shard.bytes;
  for (const auto& [name, text] : plan.texts) plan.output_bytes += text.size();
  for (const OtherFile& file : plan.carried) plan.output_bytes += file.bytes;
  plan.fingerprint = fingerprint_of(checkpoint, plan);
  plan.texts.emplace_back(kRecordName, finished_record(plan.fingerprint));
  plan.output_bytes += plan.texts.back().second.size();
  return plan;
}

LoadContext load_context(const Json& config, const CompressionPlan& plan) {
  LoadContext context{.config = &config,
                      .modules = {},
                      .other_weights = {},
                      .ignore = plan.ignore,
                      .kv_cache_scheme = std::nullopt,
                      .tensor_parallel = 1,
                      .groups = plan.schemes};
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    const SourceModule& module = plan.inventory.modules[m];
    if (module.kept_because == kMtpReason || !module.has_weight) continue;
    if (!module.is_matrix()) {
      context.other_weights.push_back({module.name.name, module.shape.size()});
      continue;
    }
    const auto& scheme = plan.decisions[m].scheme;
    context.modules.push_back({.name = module.name.name,
                               .out = module.out(),
                               .in = module.in(),
                               .weight_dtype = module.dtype,
                               .scheme = scheme ? &plan.schemes[*scheme] : nullptr,
                               .matched_target = plan.decisions[m].matched_target});
  }
  return context;
}

void refuse_unloadable(const CompressionPlan& plan, const std::string& reader) {
  if (loads_in(plan, reader)) return;
  const Error error = unloadable_error(plan.issues);
  const char* last = plan.writable ? "or write it all the same: `--allow-unloadable`"
                                   : "`--allow-unloadable` cannot write it: groups that do not divide the "
                                     "columns have no layout";
  throw Error(error.code(), error.what(), error.help() + (error.help().empty() ? "" : "\n") + last);
}

bool loads_in(const CompressionPlan& plan, const std::string& reader) {
  const std::vector<Reader> readers = readers_that_load(plan.issues);
  if (reader == "any") return !readers.empty();
  if (reader == "all") return readers.size() == known_readers().size();
  return std::ranges::any_of(readers, [&](const Reader& r) { return lower_case(r.name) == reader; });
}

}  // namespace tersor
