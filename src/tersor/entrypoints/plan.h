// tersor::plan: what a compression would do, from headers alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tersor/entrypoints/request.h"

namespace tersor {

// Modules of one role and one fate; indices in names are shown as `*`.
struct ModuleGroup {
  std::string name;    // "model.layers.*.self_attn.q_proj"
  uint64_t count = 0;  // modules
  std::vector<uint64_t> shape;
  std::string scheme;         // "int4 group 128, …"; empty: stored as it is
  std::string format;         // "pack-quantized"; empty: stored as it is
  std::string reason;         // why it is stored as it is
  uint64_t source_bytes = 0;  // of all modules of the group
  uint64_t output_bytes = 0;
};

// A load rule of a reader that the result would break.
struct LoadProblem {
  std::string rule;    // id in docs/load-rules.md
  std::string reader;  // "vLLM 0.32.0"
  bool fatal = true;   // false: it loads, with the restriction that `message` tells
  std::string message;
  std::string fix;
  std::vector<std::string> modules;
};

// What running the model on calibration data will take, with samples of the full length.
struct CalibrationPrediction {
  std::vector<std::string> reasons;  // why data is needed
  uint64_t tokens = 0;
  double forward_operations = 0, statistics_operations = 0, solve_operations = 0;
  double seconds = 0;   // at the rate of matrix products that this machine reaches
  uint64_t memory = 0;  // bytes of the process at its peak, within --max-memory; its parts:
  uint64_t layer_memory = 0, hessian_memory = 0, solve_memory = 0, batch_memory = 0, state_memory = 0;
  uint64_t disk = 0;  // bytes beside the output, while it runs
};

struct PlanReport {
  std::string model;                // the folder
  std::vector<ModuleGroup> groups;  // quantized ones first
  std::vector<LoadProblem> problems;
  std::vector<std::string> loads_in;  // "vLLM 0.32.0", …: the readers that would load the result
  std::vector<std::string> fails_in;  // those that would not
  bool loadable = true;               // the readers asked for load it
  bool writable = true;               // false: no layout exists, and all below but source_bytes is 0
  uint64_t source_bytes = 0;          // of the source's shards
  uint64_t tensors = 0;               // in the output
  uint64_t shards = 0;
  uint64_t output_bytes = 0;  // of the finished folder, exact; also the free disk needed
  uint64_t peak_memory = 0;   // predicted, of the process
  uint64_t threads = 0;
  double seconds = 0;                                // predicted: kernels measured on this CPU, disk as below
  std::optional<CalibrationPrediction> calibration;  // included in peak_memory and seconds
  double disk_bytes_per_second = 0;                  // what the prediction assumes of the disk
  std::vector<std::string> notes;                    // what was asked for and has no effect
  std::vector<std::string>
      skipped_files;  // files beside the shards that are not carried over, with the reason
};

// Reads the headers and config.json of `request.model` and plans. Throws tersor::Error (base/error.h):
// kUsage for a recipe that does not fit the checkpoint, kInput for a broken checkpoint, kPlanRefused for a
// request that cannot be carried out. A result that would not load is reported (`loadable` false), not
// thrown. Thread-safe.
PlanReport plan(const CompressionRequest& request);

// The report as JSON text, the same names as keys.
std::string to_json(const PlanReport& report);

}  // namespace tersor
