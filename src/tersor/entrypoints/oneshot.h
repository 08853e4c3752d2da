// tersor::oneshot: compresses a checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tersor/entrypoints/plan.h"
#include "tersor/entrypoints/request.h"

namespace tersor {

// How far a run is: source bytes, and while it calibrates million operations.
struct RunProgress {
  std::string phase;  // "checking", "compressing", "calibrating", "finishing"
  uint64_t done = 0;  // finished, those of earlier runs included
  uint64_t total = 0;
  uint64_t resumed = 0;  // of `done`: finished by earlier runs
  double seconds = 0;    // since this run began with the phase
  // While it calibrates:
  std::string at = {};                           // "layer 3 of 30, attention output"
  std::optional<double> seconds_left = {};       // predicted, as soon as there is a rate
  std::optional<double> tokens_per_second = {};  // that go through the whole model, on average so far
};

struct OneshotOptions {
  std::string output;      // the folder to make
  bool overwrite = false;  // replace an existing or unfinished output
  // Both may be empty. `planned` is called once before any work; `progress` from worker threads, one call at
  // a time, at most every `progress_interval` seconds.
  std::function<void(const PlanReport&)> planned;
  std::function<void(const RunProgress&)> progress;
  // What the user should know before the work is done: too few samples, a back end, … May be empty.
  std::function<void(const std::string&)> notice;
  // Files for the report: of one whose name ends in .html a page, in .json the same for programs. Not written
  // for an output that is done already. While the model is calibrated, what is known after each layer lies in
  // `<output>.partial/.tersor-report.json`.
  std::vector<std::string> reports;
  double progress_interval = 0.1;
};

// Errors of the quantized weights of one module class ("q_proj", "experts.down_proj", …).
struct ClassErrors {
  std::string name;
  uint64_t modules = 0;
  std::string scheme;
  double relative_error = 0;  // ‖W − Ŵ‖_F / ‖W‖_F over the class
  double worst_error = 0;     // of one module
  std::string worst_module;
  uint64_t zero_groups = 0;  // scales of nothing but zeros
  // Calibrated by GPTQ: √(Σ tr(ΔW H ΔWᵀ) / Σ tr(W H Wᵀ)) of what is stored, and of plain rounding with the
  // same scales; 0 where no Hessian was taken.
  double output_error = 0;
  double rounding_output_error = 0;
};

// What calibration did.
struct CalibrationReport {
  std::string data;  // "the built-in calibration text"
  uint64_t samples = 0;
  uint64_t tokens = 0;
  std::string data_hash;
  std::string backend;
  uint64_t memory = 0;                                  // predicted at the peak
  uint64_t resumed_layers = 0;                          // that an earlier, killed run had finished
  std::vector<std::pair<std::string, double>> seconds;  // by phase
  std::vector<std::string> notes;
};

struct CompressionSummary {
  std::string output;
  // The same call had finished the output before, and nothing was done; only output, source_bytes and
  // output_bytes are set.
  bool already_done = false;
  std::vector<ClassErrors> classes;
  double relative_error = 0;   // over all quantized weights
  uint64_t source_bytes = 0;   // of the source's shards
  uint64_t output_bytes = 0;   // of the output folder
  uint64_t resumed_bytes = 0;  // source bytes that an earlier, killed run had finished
  double seconds = 0;
  uint64_t peak_memory = 0;  // of the process so far
  std::optional<CalibrationReport> calibration;
};

// Plans and carries out: the output folder appears under its name when it is complete. Until then its work
// lies in `<output>.partial`, and the same call goes on from there, also after kill -9, and ends in the same
// bytes. An output that the same source files, recipe and version of tersor have made already is left as it
// is
// (`already_done`), unless `overwrite`. Throws tersor::Error: kUsage, kInput and kPlanRefused as
// tersor::plan, the last also for a result that would not load (unless allow_unloadable); kRuntime when the
// machine fails (disk full, another run on the same folder). May be called from any thread; two calls must
// not share an output.
CompressionSummary oneshot(const CompressionRequest& request, const OneshotOptions& options);

std::string to_json(const CompressionSummary& summary);
// A text as a JSON string.
std::string to_json(const std::string& text);

}  // namespace tersor
