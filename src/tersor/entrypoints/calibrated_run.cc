#include "tersor/entrypoints/calibrated_run.h"

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/datasets/calibration_data.h"
#include "tersor/entrypoints/runtime.h"
#include "tersor/io/hash.h"

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
  report_.data = data.description;
  report_.samples = options_.samples.size();
  report_.tokens = data.tokens;
  report_.data_hash = fmt::format("{:016x}", data.hash);
  report_.backend = backend_->describe();
  report_.notes = std::move(data.notes);
  warn_of_length(model_->config(), s.max_seq_length,
                 [&](const std::string& text) { report_.notes.push_back(text); });
  session.plan.fingerprint =
      hash_hex(fmt::format("{}\n{}\n{}\n{} {} {}", session.plan.fingerprint, report_.data_hash,
                           report_.backend, s.sequential_scope, s.propagate_error, s.least_expert_tokens));
}

RunSummary CalibratedRun::run(OutputFolder& output, const RunOptions& options) {
  CalibrationSummary done = run_sequential(*model_, session_.plan, output, options, options_);
  report_.resumed_layers = done.resumed_layers;
  report_.seconds = std::move(done.seconds);
  report_.notes.insert(report_.notes.end(), done.notes.begin(), done.notes.end());
  return std::move(done.run);
}

}  // namespace tersor
