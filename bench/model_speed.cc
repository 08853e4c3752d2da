// Speed of a whole forward against the machine's own rate, in one run.
//
//   model_speed MODEL [--f32] [TOKENS] [THREADS] [SEQUENCES]
//
// Prefill: SEQUENCES prompts of TOKENS tokens, as generation reads them (keys and values kept, logits of the
// last position); FLOP of all matrix products (weights and attention) per second, as a share of what the same
// back end reaches on one large product. Decoding: bytes of weights per second, as a share of what reading
// memory reaches.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "rates.h"

#include "tersor/base/error.h"
#include "tersor/modeling/model.h"

namespace tersor {
namespace {

int run(int argc, char** argv) {
  MatmulPrecision precision = MatmulPrecision::kAuto;
  std::vector<const char*> rest;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--f32") == 0) {
      precision = MatmulPrecision::kF32;
    } else {
      rest.push_back(argv[i]);
    }
  }
  if (rest.empty()) {
    std::fprintf(stderr, "usage: model_speed MODEL [--f32] [TOKENS] [THREADS] [SEQUENCES]\n");
    return 2;
  }
  const size_t tokens = rest.size() > 1 ? std::strtoul(rest[1], nullptr, 10) : 2048;
  const size_t threads = rest.size() > 2 ? std::strtoul(rest[2], nullptr, 10) : 0;
  const size_t sequences = rest.size() > 3 ? std::strtoul(rest[3], nullptr, 10) : 8;
  const auto backend = make_cpu_backend(precision, threads);
  std::printf("%s\n", backend->describe().c_str());
  Model model(open_checkpoint(rest[0]), *backend);
  model.load_all_layers();
  const ModelConfig& config = model.config();

  const AttentionConfig& a = config.attention;
  const double head = static_cast<double>(config.vocabulary) * static_cast<double>(config.hidden);
  double weights = 0;
  const double attention = static_cast<double>(a.heads * (a.head_dim + a.value_dim));
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const size_t per_layer = config.hidden * (2 * a.heads * a.head_dim + 2 * a.kv_heads * a.head_dim) +
                             (config.mlp.gated ? 3 : 2) * config.hidden * config.mlp.intermediate;
    weights += static_cast<double>(per_layer);
  }
  const auto t = static_cast<double>(tokens);
  const double flop =
      2 * weights * t + static_cast<double>(config.layers.size()) * attention * t * t + 2 * head;

  std::vector<int32_t> ids(tokens);
  std::mt19937 random(2);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % config.vocabulary);
  const double rate = gemm_rate(*backend);
  const auto prefill = [&] {
    for (size_t i = 0; i < sequences; ++i) {
      KvCache cache = model.make_cache(tokens);
      model.step(ids, cache);
    }
  };
  const double seconds = fastest(3, prefill) / static_cast<double>(sequences);
  std::printf("gemm     %8.1f GFLOP/s\n", rate / 1e9);
  std::printf("prefill  %8.1f GFLOP/s, %.0f tokens/s, %.0f %% of gemm\n", flop / seconds / 1e9, t / seconds,
              100 * flop / seconds / rate);

  const double memory = read_rate();
  KvCache cache = model.make_cache(1024);
  model.step(std::span(ids).first(std::min<size_t>(64, tokens)), cache);
  const double step = fastest(30, [&] { model.step(std::span(ids).first(1), cache); });
  const double bytes =
      (weights + head) * static_cast<double>(packed_bytes_per_weight(*backend, DType::kBF16));
  std::printf("read     %8.1f GB/s\n", memory / 1e9);
  std::printf("decode   %8.1f GB/s, %.1f tokens/s, %.0f %% of read\n", bytes / step / 1e9, 1 / step,
              100 * bytes / step / memory);
  return 0;
}

}  // namespace
}  // namespace tersor

int main(int argc, char** argv) {
  try {
    return tersor::run(argc, argv);
  } catch (const tersor::Error& error) {
    std::fprintf(stderr, "error: %s\n%s\n", error.what(), error.help().c_str());
    return static_cast<int>(error.code());
  }
}
