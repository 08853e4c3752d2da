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
  size_t window = 2048;  // tokens; each window starts anew
  // Tokens from one window to the next; 0: the window, so that none overlap. A token is predicted once, by
  // the first window that holds it.
  size_t stride = 0;
  // Bytes that the process may use; 0: as it comes. Hidden states beyond it go to a temporary file.
  uint64_t max_memory = 0;
  // Share of the work that is done, from 0 to 1.
  std::function<void(double share)> progress = {};
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
  size_t predicted_tokens = 0;  // without a stride: every token of a window but its first
  size_t windows = 0;
  double reference_perplexity = 0;
  std::optional<Divergence> divergence;
};

// The ids are cut into windows of options.window (the last may be shorter; a single token at the end predicts
// nothing). No token is put before a window. Memory: one layer, a slice of the head, the activations of one
// window, and the hidden states of all windows, for which the budget decides how many stay in memory. Throws
// Error(kUsage) for fewer than two tokens, vocabularies that differ, or a budget that one layer exceeds;
// Error(kInput) naming the layer after which a hidden state is not finite.
Evaluation evaluate(Model& model, std::span<const int32_t> ids, const EvaluationOptions& options,
                    Model* reference = nullptr);

}  // namespace tersor
