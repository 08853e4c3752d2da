#include "tersor/entrypoints/runtime.h"

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {

std::unique_ptr<Backend> make_backend(const std::string& dtype, size_t threads) {
  if (dtype == "auto") return make_cpu_backend(MatmulPrecision::kAuto, threads);
  if (dtype == "f32") return make_cpu_backend(MatmulPrecision::kF32, threads);
  if (dtype == "bf16") return make_cpu_backend(MatmulPrecision::kBF16, threads);
  throw usage_error(fmt::format("`{}` is no dtype to compute in", dtype), "one of `auto`, `f32`, `bf16`");
}

Warn kept_warnings(std::vector<std::string>& kept, const Warn& also) {
  return [&](const std::string& text) {
    kept.push_back(text);
    if (also) also(text);
  };
}

void warn_of_length(const ModelConfig& config, size_t tokens, const Warn& warn) {
  if (tokens <= config.max_positions) return;
  warn(
      fmt::format("a sequence of up to {} tokens is longer than the {} positions of the model: it runs, with "
                  "positions that "
                  "the model has never seen, and what comes after them is less reliable",
                  tokens, config.max_positions));
}

}  // namespace tersor
