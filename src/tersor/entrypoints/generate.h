// tersor::generate: a model goes on from a text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tersor {

struct GenerateRequest {
  std::string model;  // a checkpoint folder, plain or compressed, or a Hub id in the local Hugging Face cache
  std::string prompt;
  // The prompt is a JSON list of messages, or what a user says: it goes through the model's chat template, up
  // to where the assistant's answer begins.
  bool chat = false;
  size_t max_new_tokens = 100;
  double temperature = 0;         // 0: greedy, the likeliest token each time
  double top_p = 1;               // sample among the likeliest tokens that together have this probability
  uint64_t seed = 0;              // of sampling
  std::vector<std::string> stop;  // the text ends before the first of them
  std::string dtype = "auto";  // of matrix products: "f32", "bf16", "auto": bf16 where the CPU multiplies it
  size_t threads = 0;          // 0: one per CPU that this process may use
};

struct GenerateOptions {
  // All may be empty. `text`: the new text in pieces of whole characters, as they come. `warn`: something
  // that the user should know before it begins.
  std::function<void(std::string_view)> text;
  std::function<void(const std::string&)> warn;
};

struct GenerateReport {
  std::string text;  // what follows the prompt, special tokens left out
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> ids;   // the new tokens, one that ended the text included
  std::string finish_reason;  // "eos", "stop" (a stop string) or "length"
  std::string backend;        // what computed, and in which precision
  double load_seconds = 0;
  double prompt_seconds = 0;     // until the first token
  double tokens_per_second = 0;  // of the tokens after it; 0 when there are none
  std::vector<std::string> warnings;
};

// The end-of-text tokens are those of generation_config.json. Throws tersor::Error: kUsage for options out of
// range and for a prompt without tokens, kInput for a checkpoint that cannot be run, for a tokenizer of
// another model, and for logits that are not finite, naming the layer.
GenerateReport generate(const GenerateRequest& request, const GenerateOptions& options = {});

// Throws what generate() would for a checkpoint whose architecture or tokenizer cannot be run; reads no
// weights.
void check_runnable(const std::string& model);

std::string to_json(const GenerateReport& report);

}  // namespace tersor
