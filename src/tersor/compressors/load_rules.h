// What readers accept: vLLM's and Transformers' load rules as a table, checked against a plan before any
// work.
//
// The table (load_rules.cc) has one row per rule; docs/load-rules.md shows it. A rule is fatal when that
// reader cannot load the result, or loads it and computes with wrong numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/quantization/quantization_scheme.h"
#include "tersor/tensor/shape.h"

namespace tersor {

// The readers whose rules the table holds, with the versions they were read from.
struct Reader {
  std::string_view name;     // "vLLM"
  std::string_view version;  // "0.32.0"

  bool operator==(const Reader&) const = default;
};
std::span<const Reader> known_readers();

// One matrix of the checkpoint as the readers will see it.
struct LoadableModule {
  std::string name;
  uint64_t out = 0;
  uint64_t in = 0;
  DType weight_dtype = DType::kBF16;
  const QuantizationScheme* scheme = nullptr;  // null: stored unquantized
  std::string matched_target;                  // the target that chose the scheme
};

// A module whose weight is no matrix: a norm, a convolution, or a Linear gone wrong.
struct OtherWeight {
  std::string name;
  size_t rank = 1;
};

struct LoadIssue {
  std::string rule;     // short id, e.g. "fp8-block-fused-rows"
  std::string reader;   // "vLLM 0.32.0", "Transformers 5.17.0 (compressed-tensors 0.19)", "every reader"
  bool fatal = true;    // false: it loads, but only on some devices, with some flags, or less well
  std::string message;  // what would happen, in the reader's terms
  std::vector<std::string> modules;  // all that break it (printing may shorten)
  std::string fix;                   // flags to give
};

struct LoadContext {
  const Json* config = nullptr;  // config.json: head counts, tie_word_embeddings, model_type
  // Every matrix of the checkpoint, unquantized ones as well, in any order.
  std::vector<LoadableModule> modules;
  // The modules beside them, by which layers are compared.
  std::vector<OtherWeight> other_weights;
  std::vector<std::string> ignore;  // as config.json will hold it
  std::optional<QuantizationArgs> kv_cache_scheme;
  uint64_t tensor_parallel = 1;
  // The config groups in config.json's order, which decides where two targets match; empty: the schemes of
  // the modules in the order they come up.
  std::span<const QuantizationScheme> groups;
};

// Every rule of the table that the result would break; empty: all readers load it. Takes milliseconds for
// 100,000 modules.
std::vector<LoadIssue> check_load_rules(const LoadContext& context);

// The known readers that no fatal issue keeps from loading the result.
std::vector<Reader> readers_that_load(std::span<const LoadIssue> issues);

// The group sizes that kernels take (128, 64, 32, then 256 and 16, which few take) that divide every one of
// `ins`, best first.
std::vector<int64_t> dividing_group_sizes(std::span<const uint64_t> ins);

// The sides of square FP8 blocks (128, 64, 32, 16) that divide every one of `sizes`, best first.
std::vector<int64_t> dividing_block_sizes(std::span<const uint64_t> sizes);

// The table as docs/load-rules.md holds it: one Markdown table row per rule.
std::vector<std::string> load_rule_rows();

}  // namespace tersor
