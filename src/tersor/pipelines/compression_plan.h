// The plan: everything that a run will do, decided from headers, config.json and the recipe alone.
//
// A plan is a value: it holds no weight and no open file. Output shards keep the source's shard names; each
// tensor's place in its output file is fixed here, so that pieces can be written in any order, by any thread,
// before and after a restart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tersor/compressors/load_rules.h"
#include "tersor/pipelines/module_inventory.h"
#include "tersor/recipe/recipe.h"

namespace tersor {

// What happens to one module of the inventory.
struct ModuleDecision {
  std::optional<size_t> scheme;  // index into CompressionPlan::schemes; nullopt: stored as it is
  std::string matched_target;    // the target that chose the scheme
  std::string reason;            // why it is stored as it is
  // With a scheme: its stored tensors, in the compressor's order, as indices into the shard's tensors.
  std::vector<size_t> stored;
  std::optional<GptqParameters> gptq;  // how its weight is rounded; null: to nearest
  // It waits for statistics of calibration data: for its rounding, its observer, its activation scales, or
  // because it shares a range with a module that does.
  bool calibrated = false;
  std::vector<size_t> activations;  // its activation_tensors(), as indices into the shard's tensors
};

// The scales of the keys and values that one layer caches, as indices into a shard's tensors.
struct PlannedKvCache {
  size_t layer = 0;
  size_t shard = 0;
  size_t key_scale = 0;
  size_t value_scale = 0;
};

// What calibration data is needed for. The model runs up to the last layer that is waited for.
struct CalibrationPlan {
  std::vector<std::string> reasons;  // in words
  size_t layers = 0;                 // decoder layers that run
  bool head = false;                 // the head's input is needed too: all layers run
  bool source_stream = false;        // the source model runs beside: asymmetric calibration
  std::optional<QuantizationArgs> kv_cache_scheme;
  std::vector<PlannedKvCache> kv_cache;  // one per layer, or empty
};

// Bytes of the source that go to the output as they are.
struct PlannedCopy {
  size_t tensor = 0;  // index into PlannedShard::tensors
  uint64_t source_begin = 0;
  uint64_t bytes = 0;
};

// One output file. Its index is the source shard's.
struct PlannedShard {
  std::string file_name;
  std::string header;               // all bytes before the data
  std::vector<TensorInfo> tensors;  // in order of place; begin and end are offsets in the output file
  std::vector<PlannedCopy> copies;
  uint64_t bytes = 0;  // of the whole file
};

struct CompressionPlan {
  ModuleInventory inventory;
  std::vector<ModuleDecision> decisions;    // one per inventory.modules
  std::vector<QuantizationScheme> schemes;  // those in use, in order of group_0, group_1, …; formats concrete
  // False: a group size does not divide the columns, and no format has a layout for that. Then the shards and
  // texts are empty, output_bytes is 0, and no option writes the result.
  bool writable = true;
  std::optional<CalibrationPlan> calibration;  // null: data-free
  std::vector<PlannedShard> shards;
  // config.json, recipe.yaml, model.safetensors.index.json, .tersor (finished_output.h): name and contents.
  std::vector<std::pair<std::string, std::string>> texts;
  std::vector<OtherFile> carried;   // copied as they are
  std::vector<std::string> ignore;  // as config.json has it
  std::vector<LoadIssue> issues;    // load rules that the result would break

  uint64_t source_bytes = 0;      // of the source's shards
  uint64_t output_bytes = 0;      // of the finished folder
  uint64_t quantized_source = 0;  // bytes of the weights that get a scheme
  std::string fingerprint;  // changes when the source, the recipe, the layout or this program's version does
};

struct PlanOptions {
  uint64_t tensor_parallel = 1;
};

// Throws Error: kInput for a checkpoint that cannot be compressed, kUsage for a recipe that does not fit it.
// A plan whose result would not load is returned with its `issues`; refuse_unloadable() says no.
CompressionPlan make_plan(const Checkpoint& checkpoint, const Recipe& recipe, const PlanOptions& options);

// What the load rules look at: the plan's modules, schemes and ignore list under `config` (config.json).
// Refers to both, which must outlive it.
LoadContext load_context(const Json& config, const CompressionPlan& plan);

// Whether the result loads in `reader`: "vllm", "transformers", "any" (at least one) or "all".
bool loads_in(const CompressionPlan& plan, const std::string& reader);
// Throws Error(kPlanRefused) with every fatal issue and its fix when it does not.
void refuse_unloadable(const CompressionPlan& plan, const std::string& reader);

// "fp8 channel, input fp8 token dynamic": a scheme in words.
std::string describe(const QuantizationScheme& scheme);

// "model.layers.*.self_attn.q_proj": the name with its indices as `*`, but for the last part: what a
// Sequential numbers (`merger.mlp.0`, `merger.mlp.2`) are modules of different kinds.
std::string group_name(std::string_view name);

// Bytes that the process will hold at its peak with this many threads, all in.
uint64_t predict_peak_memory(const CompressionPlan& plan, size_t threads);

}  // namespace tersor
