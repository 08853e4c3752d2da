// What to compress, and how: the input of tersor::plan and tersor::oneshot.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tersor {

// How the model is run on data, where a recipe needs that: GPTQ, static activation scales, imatrix_mse, cache
// scales.
struct CalibrationSettings {
  // Text, JSON lines, Parquet, token ids, a folder of them, or a Hub dataset in the local cache; empty: the
  // built-in text. datasets/calibration_data.h says what each of these fields means.
  std::string dataset;
  std::string text_column = "text";
  std::string split;
  size_t samples = 128;
  size_t max_seq_length = 2048;  // tokens
  uint64_t seed = 0;
  bool shuffle = false;
  std::optional<bool> packing;

  // "stage": every linear is calibrated on inputs that carry the errors of all that is quantized before it;
  // "layer": of the layers before it, as the reference does.
  std::string sequential_scope = "stage";
  bool propagate_error = true;        // false: on the source model's inputs
  std::string dtype = "auto";         // of matrix products: "f32", "bf16", "auto": bf16 where the CPU has it
  std::string state_dtype = "bf16";   // of activations that wait for the next layer or stage: "bf16", "f32"
  uint64_t least_expert_tokens = 32;  // an expert that fewer reach is rounded to nearest
  // Every expert is calibrated on all tokens, not on those that the router sends to it.
  bool calibrate_all_experts = false;
  uint64_t max_memory = 0;  // bytes that the process may use; 0: as it comes
};

struct CompressionRequest {
  // A checkpoint folder, or a Hub id ("org/name", "org/name@revision") in the local Hugging Face cache.
  std::string model;

  // Either a recipe file (llm-compressor's YAML or JSON) …
  std::string recipe_file;
  // … or a preset scheme ("FP8_DYNAMIC", "W4A16", …) on the modules that `targets` names: module names, `re:`
  // patterns, classes; empty: {"Linear"}.
  std::string scheme;
  std::vector<std::string> targets;
  std::vector<std::string> ignore;      // modules to leave as they are; the same forms
  std::string observer;                 // of weights: "memoryless_minmax", "mse", …; empty: the scheme's own
  std::string method;                   // "rtn" (round to nearest) or "gptq"; empty: rtn
  bool asymmetric_calibration = false;  // of gptq: GPTAQ
  bool positive_scales = false;         // of gptq: no scales of either sign (modifiers/gptq/signed_scales.h)
  std::string kv_cache_scheme;          // "fp8": scales for cached keys and values; empty: none

  // Instead of the recipe's sizes: columns that share a scale (-1: the whole row); [rows, columns] of a
  // block.
  std::optional<int64_t> group_size;
  std::optional<std::array<int64_t, 2>> block_structure;

  uint64_t tensor_parallel = 1;  // GPUs per layer that the result will be served on: sizes must divide
  // Who must be able to load the result: "vllm", "transformers", "any" (at least one of them; vLLM when
  // tensor_parallel is above 1) or "all".
  std::string reader = "any";
  bool allow_unloadable = false;  // go on although it would not load, where it can be written
  size_t threads = 0;             // 0: one per CPU that this process may use

  CalibrationSettings calibration;
};

}  // namespace tersor
