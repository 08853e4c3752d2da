// What readers accept: vLLM's and Transformers' load rules as a table, checked against a plan before any
// work.
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
};
std::span<const Reader> known_readers();

// One linear of the checkpoint as the readers will see it.
struct LoadableModule {
  std::string name;
  uint64_t out = 0;
  uint64_t in = 0;
  DType weight_dtype = DType::kBF16;
  const QuantizationScheme* scheme = nullptr;  // null: stored unquantized
  std::string matched_target;                  // the target that chose the scheme
};

struct LoadIssue {
  std::string rule;     // short id, e.g. "fp8-block-divides-out"
  std::string reader;   // "vLLM 0.32.0", "Transformers (compressed-tensors 0.19)", "every reader"
  bool fatal = true;    // false: it loads, but only on some devices or slowly
  std::string message;  // what would happen, in the reader's terms
  std::vector<std::string> modules;  // all that break it (printing may shorten)
  std::string fix;                   // flags to give
};

struct LoadContext {
  const Json* config = nullptr;  // config.json: head counts, tie_word_embeddings, model_type
  std::vector<LoadableModule> modules;
  std::vector<std::string> ignore;  // as config.json will hold it
  std::optional<QuantizationArgs> kv_cache_scheme;
  uint64_t tensor_parallel = 1;
};

// Every rule of the table that the result would break; empty: all readers load it.
std::vector<LoadIssue> check_load_rules(const LoadContext& context);

// The group sizes among those that kernels take (32, 64, 128, 256, 16) that divide every one of `ins`.
std::vector<int64_t> dividing_group_sizes(std::span<const uint64_t> ins);

}  // namespace tersor
