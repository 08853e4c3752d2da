#include "tersor/entrypoints/calibrated_run.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/datasets/calibration_data.h"
#include "tersor/entrypoints/runtime.h"
#include "tersor/io/hash.h"
#include "tersor/pipelines/calibration_memory.h"
#include "tersor/pipelines/finished_output.h"

namespace tersor {
namespace {

CalibrationOptions::Scope scope_named(const std::string& name) {
  if (name == "stage") return CalibrationOptions::Scope::kStage;
  if (name == "layer") return CalibrationOptions::Scope::kLayer;
  throw usage_error(fmt::format("`{}` is no sequential scope", name), "one of `stage` and `layer`");
}

}  // namespace

CalibratedRun::CalibratedRun(Session& session, const CompressionRequest& request) : session_(session) {
  const CalibrationSettings& s = request.calibration;
  options_.scope = scope_named(s.sequential_scope);
  options_.propagate_error = s.propagate_error;
  options_.least_expert_tokens = s.least_expert_tokens;
  options_.all_experts = s.calibrate_all_experts;
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
  set_fingerprint(session.plan, hash_hex(fmt::format("{}\n{}\n{}\n{} {} {} {} {}", session.plan.fingerprint,
                                                     report_.data_hash, report_.backend, s.sequential_scope,
                                                     s.propagate_error, s.least_expert_tokens,
                                                     s.calibrate_all_experts, options_.batch_tokens)));
}

// Smaller batches, fewer Hessians at a time, activations in a file: in this order, until the budget holds.
void CalibratedRun::fit_memory(uint64_t budget, uint64_t tokens) {
  const DeviceTensor sample = backend_->allocate(DType::kF32, 64, 64);
  backend_->fill_zero(sample);
  size_t longest = 1;
  for (const auto& ids : options_.samples) longest = std::max(longest, ids.size());
  CalibrationSizes sizes{.bytes_per_weight = std::max<uint64_t>(2, backend_->pack(sample)->bytes / (64 * 64)),
                         .tokens = tokens,
                         .batch_tokens = std::max(options_.batch_tokens, longest),
                         .hessian_bytes = options_.hessian_bytes,
                         .all_experts = options_.all_experts};
  CalibrationMemory memory = calibration_memory(session_.plan, model_->config(), sizes);
  const auto exceeds = [&] { return budget > 0 && memory.least() > budget; };
  while (exceeds() && memory.batch > memory.solve && sizes.batch_tokens > longest) {
    sizes.batch_tokens = std::max<uint64_t>(longest, sizes.batch_tokens / 2);
    memory = calibration_memory(session_.plan, model_->config(), sizes);
  }
  while (exceeds() && sizes.hessian_bytes > 1) {
    sizes.hessian_bytes /= 2;
    memory = calibration_memory(session_.plan, model_->config(), sizes);
  }
  if (exceeds()) {
    throw Error(
        ErrorCode::kPlanRefused,
        fmt::format(
            "--max-memory {} is too little: this run needs {} at least (program {}, a layer {}, Hessians "
            "{}, solving a linear {}, a sample {})",
            format_bytes(budget), format_bytes(memory.least()), format_bytes(memory.program),
            format_bytes(memory.layer), format_bytes(memory.hessians), format_bytes(memory.solve),
            format_bytes(memory.batch)),
        fmt::format("give {} or more, or shorter samples (`--max-seq-length`)",
                    format_bytes(memory.least())));
  }
  options_.batch_tokens = sizes.batch_tokens;
  options_.hessian_bytes = sizes.hessian_bytes;
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
