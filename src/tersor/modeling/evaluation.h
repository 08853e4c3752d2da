// Perplexity of a model on tokens, and its distance to a reference model, one layer in memory at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "tersor/modeling/model.h"

namespace tersor {

struct EvaluationOptions {
  size_t window = 2048;  // tokens; windows do not overlap, and each starts anew
  // After each layer of both models: layers done, layers in all.
  std::function<void(size_t done, size_t total)> progress = {};
};

// Against the reference, per predicted token: KL(reference ‖ model) in nats, and whether both models'
// likeliest tokens agree.
struct Divergence {
  double mean = 0;
  double p99 = 0;
  double top1_agreement = 0;  // share of tokens
};

struct Evaluation {
  double perplexity = 0;        // exp of the mean below
  double mean_nll = 0;          // negative log-likelihood over all predicted tokens
  size_t predicted_tokens = 0;  // every token of a window but its first
  double reference_perplexity = 0;
  std::optional<Divergence> divergence;
};

// The ids are cut into windows of options.window (the last may be shorter; a single token at the end predicts
// nothing). No token is put before a window. Memory: the hidden states of all windows, one layer, and the
// logits of a few hundred tokens; with a reference, twice that. Throws Error(kUsage) for fewer than two
// tokens or vocabularies that differ, Error(kInput) naming the layer after which a hidden state is not
// finite.
Evaluation evaluate(Model& model, std::span<const int32_t> ids, const EvaluationOptions& options,
                    Model* reference = nullptr);

}  // namespace tersor
