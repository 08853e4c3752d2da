// tersor::evaluate: perplexity of a model on a text, and its distance to a reference model.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tersor {

struct EvaluateRequest {
  std::string model;  // a checkpoint folder, plain or compressed, or a Hub id in the local Hugging Face cache
  std::string reference;       // empty, or the model that it is compared with
  std::string text_file;       // UTF-8; tokenized as one stream, with no special tokens around it
  size_t window = 2048;        // tokens; no token, such as BOS, is put before a window
  size_t stride = 0;           // tokens from window to window; 0: the window, so that none overlap
  uint64_t max_memory = 0;     // bytes that the process may use; 0: as it comes
  std::string dtype = "auto";  // of matrix products: "f32", "bf16", "auto": bf16 where the CPU multiplies it
  size_t threads = 0;          // 0: one per CPU that this process may use
};

struct EvaluateOptions {
  // Both may be empty. `progress`: the share of the work that is done, 0 to 1, and the seconds so far.
  std::function<void(double share, double seconds)> progress;
  std::function<void(const std::string&)> warn;
};

// Against the reference, over all predicted tokens.
struct ReferenceComparison {
  double perplexity = 0;      // the reference's
  double kl_mean = 0;         // of KL(reference ‖ model), in nats
  double kl_p99 = 0;          // its 99th percentile
  double top1_agreement = 0;  // share of tokens where both find the same one likeliest
};

struct EvaluateReport {
  std::string model;
  double perplexity = 0;  // exp of mean_nll
  double mean_nll = 0;    // negative log-likelihood, in nats, over all predicted tokens
  uint64_t tokens = 0;    // of the text
  uint64_t predicted_tokens = 0;
  uint64_t windows = 0;
  std::optional<ReferenceComparison> reference;
  std::string backend;  // what computed, and in which precision
  double seconds = 0;
  uint64_t peak_memory = 0;  // of the process so far
  std::vector<std::string> warnings;
};

// The models go through memory one layer at a time, side by side. Throws tersor::Error: kUsage for a text
// that predicts nothing, options out of range, models with other vocabularies, and a budget that one layer
// exceeds; kInput for a checkpoint that cannot be run, a tokenizer of another model, and numbers that are not
// finite, naming the layer.
EvaluateReport evaluate(const EvaluateRequest& request, const EvaluateOptions& options = {});

std::string to_json(const EvaluateReport& report);

}  // namespace tersor
