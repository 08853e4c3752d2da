// Text generation, token by token: greedy or sampled.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tersor/modeling/model.h"

namespace tersor {

struct GenerationOptions {
  size_t max_new_tokens = 100;
  float temperature = 0;  // 0: greedy, the most likely token each time
  float top_p = 1;        // sample among the likeliest tokens that together have this probability
  uint64_t seed = 0;      // the same seed, model, back end and thread count give the same tokens
  std::vector<int32_t> stop_ids = {};
};

// Throws Error(kUsage) for an empty prompt or options out of range.
void check_generation(std::span<const int32_t> prompt, const GenerationOptions& options);

// Continues `prompt` (at least one id) until a stop id, which is the last of the result, or max_new_tokens.
// `on_token` (may be empty) sees each new token at once; false ends the generation. Throws Error(kInput) when
// logits are not finite, naming the layer, and what check_generation throws.
std::vector<int32_t> generate(Model& model, std::span<const int32_t> prompt, const GenerationOptions& options,
                              const std::function<bool(int32_t)>& on_token = {});

// The ids that end a text: eos_token_id of generation_config.json, else of config.json; one or several.
std::vector<int32_t> eos_ids(const Checkpoint& checkpoint);

// One choice from logits; `uniform` in [0, 1) is the random number. Exposed for tests.
int32_t choose_token(std::span<const float> logits, float temperature, float top_p, double uniform);

}  // namespace tersor
