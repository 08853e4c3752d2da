#include "tersor/entrypoints/generate.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/clock.h"
#include "tersor/base/error.h"
#include "tersor/entrypoints/chat_prompt.h"
#include "tersor/entrypoints/runtime.h"
#include "tersor/entrypoints/stop_text.h"
#include "tersor/modeling/arch/families.h"
#include "tersor/modeling/generation.h"
#include "tersor/tokenizer/tokenizer.h"

namespace tersor {
namespace {

void check(const GenerateRequest& request) {
  for (const std::string& stop : request.stop) {
    if (stop.empty()) throw usage_error("a stop string is empty", "give `--stop` the text to stop at");
  }
}

}  // namespace

void check_runnable(const std::string& model) {
  const Checkpoint checkpoint = open_checkpoint(model);
  read_model_config(checkpoint.config, (checkpoint.folder / "config.json").string());
  Tokenizer::load(checkpoint.folder);
}

GenerateReport generate(const GenerateRequest& request, const GenerateOptions& options) {
  check(request);
  GenerateReport report;
  const Warn warn = kept_warnings(report.warnings, options.warn);
  const auto start = Clock::now();
  const std::unique_ptr<Backend> backend = make_backend(request.dtype, request.threads);
  report.backend = backend->describe();
  Checkpoint checkpoint = open_checkpoint(request.model);
  const Tokenizer tokenizer = Tokenizer::load(checkpoint.folder);
  report.prompt_ids = request.chat ? tokenizer.encode(chat_prompt(tokenizer, request.prompt), false)
                                   : tokenizer.encode(request.prompt);
  GenerationOptions generation{.max_new_tokens = request.max_new_tokens,
                               .temperature = static_cast<float>(request.temperature),
                               .top_p = static_cast<float>(request.top_p),
                               .seed = request.seed,
                               .stop_ids = eos_ids(checkpoint)};
  check_generation(report.prompt_ids, generation);  // before minutes of loading
  Model model(std::move(checkpoint), *backend);
  warn_of_length(model.config(), report.prompt_ids.size() + request.max_new_tokens, warn);
  model.load_all_layers();
  report.load_seconds = seconds_since(start);

  StreamDecoder decoder(tokenizer, true);
  StopText text(request.stop);
  const auto emit = [&](const std::string& piece) {
    report.text += piece;
    if (options.text && !piece.empty()) options.text(piece);
  };
  const auto begin = Clock::now();
  auto first = begin;
  report.ids = generate(model, report.prompt_ids, generation, [&](int32_t id) {
    if (first == begin) first = Clock::now();
    emit(text.push(decoder.push(id)));
    return !text.found();
  });
  emit(text.push(decoder.finish()));
  emit(text.finish());

  const bool at_eos = !report.ids.empty() &&
                      std::ranges::find(generation.stop_ids, report.ids.back()) != generation.stop_ids.end();
  report.finish_reason = text.found() ? "stop" : at_eos ? "eos" : "length";
  report.prompt_seconds = std::chrono::duration<double>(first - begin).count();
  if (report.ids.size() > 1)
    report.tokens_per_second = static_cast<double>(report.ids.size() - 1) / seconds_since(first);
  return report;
}

}  // namespace tersor
