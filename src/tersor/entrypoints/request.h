// What to compress, and how: the input of tersor::plan and tersor::oneshot.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tersor {

struct CompressionRequest {
  // A checkpoint folder, or a Hub id ("org/name", "org/name@revision") in the local Hugging Face cache.
  std::string model;

  // Either a recipe file (llm-compressor's YAML or JSON) …
  std::string recipe_file;
  // … or a preset scheme ("FP8_DYNAMIC", "W4A16", …) on the modules that `targets` names: module names, `re:`
  // patterns, classes; empty: {"Linear"}.
  std::string scheme;
  std::vector<std::string> targets;
  std::vector<std::string> ignore;  // modules to leave as they are; the same forms
  std::string observer;             // of weights: "memoryless_minmax", "mse", …; empty: the scheme's own

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
};

}  // namespace tersor
