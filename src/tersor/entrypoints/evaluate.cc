#include "tersor/entrypoints/evaluate.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/clock.h"
#include "tersor/base/error.h"
#include "tersor/entrypoints/process_memory.h"
#include "tersor/entrypoints/runtime.h"
#include "tersor/io/file.h"
#include "tersor/modeling/evaluation.h"
#include "tersor/tokenizer/tokenizer.h"

namespace tersor {
namespace {

std::vector<int32_t> read_tokens(const std::string& file, const Tokenizer& tokenizer) {
  const std::string text = read_file(file, Tokenizer::kMaxTextBytes);
  if (text.empty())
    throw usage_error(fmt::format("the text {} is empty", file), "give a file with some text");
  return tokenizer.encode(text, false);
}

}  // namespace

EvaluateReport evaluate(const EvaluateRequest& request, const EvaluateOptions& options) {
  const auto start = Clock::now();
  EvaluateReport report;
  const Warn warn = kept_warnings(report.warnings, options.warn);
  const std::unique_ptr<Backend> backend = make_backend(request.dtype, request.threads);
  report.backend = backend->describe();
  Model model(open_checkpoint(request.model), *backend);
  std::optional<Model> reference;
  if (!request.reference.empty()) reference.emplace(open_checkpoint(request.reference), *backend);
  report.model = model.checkpoint().folder.string();
  const std::vector<int32_t> ids = read_tokens(request.text_file, Tokenizer::load(model.checkpoint().folder));
  report.tokens = ids.size();
  warn_of_length(model.config(), std::min(request.window, ids.size()), warn);

  EvaluationOptions run{.window = request.window, .stride = request.stride, .max_memory = request.max_memory};
  if (options.progress) run.progress = [&](double share) { options.progress(share, seconds_since(start)); };
  const Evaluation result = evaluate(model, ids, run, reference ? &*reference : nullptr);
  report.perplexity = result.perplexity;
  report.mean_nll = result.mean_nll;
  report.predicted_tokens = result.predicted_tokens;
  report.windows = result.windows;
  if (result.divergence) {
    report.reference = ReferenceComparison{result.reference_perplexity, result.divergence->mean,
                                           result.divergence->p99, result.divergence->top1_agreement};
  }
  report.seconds = seconds_since(start);
  report.peak_memory = peak_resident_bytes();
  return report;
}

}  // namespace tersor
