#include "tersor/entrypoints/calibrated_run.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/datasets/calibration_data.h"
#include "tersor/entrypoints/calibration_options.h"
#include "tersor/entrypoints/runtime.h"
#include "tersor/io/hash.h"
#include "tersor/pipelines/finished_output.h"

namespace tersor {
namespace {

// To three digits: what is told to be enough, must be.
uint64_t rounded_up(uint64_t bytes) {
  uint64_t step = 1;
  while (bytes / step >= 1000) step *= 10;
  return (bytes + step - 1) / step * step;
}

}  // namespace

CalibratedRun::CalibratedRun(Session& session, const CompressionRequest& request)
    : session_(session), options_(calibration_options(request.calibration)) {
  const CalibrationSettings& s = request.calibration;
  backend_ = make_backend(s.dtype, session.threads);
  model_ = std::make_unique<Model>(open_checkpoint(request.model), *backend_);

  const Tokenizer tokenizer = Tokenizer::load(session.checkpoint.folder);
  CalibrationData data = load_calibration({.dataset = s.dataset,
                                           .text_column = s.text_column,
                                           .split = s.split,
                                           .samples = s.samples,
                                           .max_seq_length = s.max_seq_length,
                                           .seed = s.seed,
                                           .shuffle = s.shuffle,
                                           .packing = s.packing,
                                           .vocab_size = model_->config().vocabulary},
                                          tokenizer);
  options_.samples = std::move(data.samples);
  fit_memory(s.max_memory, data.tokens);
  report_.data = data.description;
  report_.samples = options_.samples.size();
  report_.tokens = data.tokens;
  report_.data_hash = fmt::format("{:016x}", data.hash);
  report_.backend = backend_->describe();
  report_.notes = std::move(data.notes);
  warn_of_length(model_->config(), s.max_seq_length,
                 [&](const std::string& text) { report_.notes.push_back(text); });
  set_fingerprint(
      session.plan,
      hash_hex(fmt::format("{}\n{}\n{}\n{} {} {} {} {} {}", session.plan.fingerprint, report_.data_hash,
                           report_.backend, s.sequential_scope, s.propagate_error, s.least_expert_tokens,
                           s.calibrate_all_experts, options_.batch_tokens, s.state_dtype)));
}

void CalibratedRun::fit_memory(uint64_t budget, uint64_t tokens) {
  size_t longest = 1;
  for (const auto& ids : options_.samples) longest = std::max(longest, ids.size());
  CalibrationSizes sizes = calibration_sizes(options_, *backend_, tokens, longest);
  const CalibrationMemory memory = fit_to_budget(session_.plan, model_->config(), budget, longest, sizes);
  if (budget > 0 && memory.least() > budget) {
    throw Error(
        ErrorCode::kPlanRefused,
        fmt::format(
            "--max-memory {} is too little: this run needs {} at least (program {}, a layer {}, Hessians "
            "{}, solving a linear {}, a sample {})",
            format_bytes(budget), format_bytes(rounded_up(memory.least())), format_bytes(memory.program),
            format_bytes(memory.layer), format_bytes(memory.hessians), format_bytes(memory.solve),
            format_bytes(memory.batch)),
        fmt::format("give {} or more, or shorter samples (`--max-seq-length`)",
                    format_bytes(rounded_up(memory.least()))));
  }
  options_.batch_tokens = sizes.batch_tokens;
  options_.hessian_bytes = sizes.hessian_bytes;
  options_.hessians_in_file = sizes.hessians_in_file;
  if (budget > 0) options_.state_budget = budget - memory.least();
  report_.memory = budget > 0 ? std::min(memory.total(), budget) : memory.total();
}

void CalibratedRun::note(const CalibrationSummary& done) {
  report_.resumed_layers = done.resumed_layers;
  report_.seconds = done.seconds;
  report_.notes.resize(first_notes_);
  report_.notes.insert(report_.notes.end(), done.notes.begin(), done.notes.end());
}

RunSummary CalibratedRun::run(OutputFolder& output, const RunOptions& options, const LayerDone& layer_done) {
  first_notes_ = report_.notes.size();
  options_.layer_done = [&](const CalibrationSummary& so_far, size_t layers) {
    note(so_far);
    layer_done(so_far.run, layers);
  };
  CalibrationSummary done = run_sequential(*model_, session_.plan, output, options, options_);
  note(done);
  return std::move(done.run);
}

}  // namespace tersor
