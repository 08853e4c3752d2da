// The checkpoint as an inference engine sees it: which matrices it stacks into one, which are experts of one
// mixture, and what each tensor-parallel rank holds. Derived once, read by every load rule.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tersor/compressors/load_rules.h"
#include "tersor/io/json.h"
#include "tersor/quantization/module_class.h"

namespace tersor {

// How tensor parallelism cuts a weight [out, in]: its rows, its columns, or not at all (also where it is not
// known).
enum class Split { kRows, kColumns, kWhole };

struct ViewedModule {
  const LoadableModule* module;
  std::string_view parent;  // "model.layers.0.self_attn"
  std::string_view leaf;    // "q_proj"
  Split split = Split::kWhole;
  bool embedding = false;  // a lookup table, not a Linear
  int32_t scheme = -1;     // index into LoadView::schemes; -1: unquantized
  int32_t fused = -1;      // index into LoadView::fused; -1: alone
  int32_t mixture = -1;    // index into LoadView::mixtures; -1: no expert
  uint64_t out = 0;        // rows and columns that one rank holds
  uint64_t in = 0;
};

// Siblings that become one matrix, in the order they are stacked.
struct FusedModules {
  std::string_view parent;
  std::string_view fused_name;     // "qkv_proj"
  std::array<int32_t, 4> members;  // indices into LoadView::modules; -1: not in the checkpoint
};

// The experts of one layer.
struct Mixture {
  std::string_view name;         // "model.layers.0.mlp.experts"
  std::vector<int32_t> modules;  // every projection of every expert
  std::vector<int32_t> first;    // those of expert 0
};

// A scheme and what has it.
struct SchemeUse {
  const QuantizationScheme* scheme;
  int32_t kind;                  // equal for schemes with same_numbers
  std::vector<int32_t> linears;  // matrices outside mixtures, embeddings left out
  std::vector<int32_t> experts;
  std::vector<int32_t> embeddings;
  std::vector<int32_t> all() const;  // linears and experts
};

// Whether readers rename the modules of this model: config.json describes a language model among other parts.
bool is_multipart(const Json& config);

// config.json's whole number under `key`; 0 when it has none.
uint64_t unsigned_at(const Json& object, const char* key);

struct LoadView {
  // `context` must outlive the view.
  explicit LoadView(const LoadContext& context);

  const LoadContext& context;
  std::vector<ViewedModule> modules;
  std::vector<FusedModules> fused;
  std::vector<Mixture> mixtures;
  std::vector<SchemeUse> schemes;                 // in the order of the groups
  std::vector<const QuantizationScheme*> groups;  // the config groups in their order

  const Json* text_config = nullptr;  // config.json, or what it says of the language model; null: no object
  // From there; 0 or empty when absent.
  uint64_t heads = 0;
  uint64_t kv_heads = 0;
  uint64_t layers = 0;
  std::string_view model_type;    // of the text model
  std::string_view architecture;  // the first of `architectures`
  bool multipart = false;         // engines rename its modules
  bool tied = false;              // lm_head shares the embedding's weight
  bool said_untied = false;       // the config says that it does not, rather than nothing

  uint64_t ranks() const { return context.tensor_parallel; }
  const QuantizationScheme* scheme_of(const ViewedModule& m) const { return m.module->scheme; }
};

// A language model of a family (model_type) whose decoder layers all have the same attention, embed_tokens
// for an input and lm_head for an output.
bool is_known_family(const LoadView& view);

// Whether the module is of a part that sees images or sound.
bool is_tower(std::string_view name);

// Whether it is made of digits: the part of a name that counts layers or experts.
bool is_number(std::string_view text);

// "model.layers.", "1", "self_attn.q_proj" of "model.layers.1.self_attn.q_proj"; no index where no list of
// layers holds the module.
struct LayerName {
  std::string_view list, index, tail;
};
LayerName layer_of(std::string_view name);

// Equal in all that a reader computes with: weights, activations, format; not targets, not observers.
bool same_numbers(const QuantizationScheme& a, const QuantizationScheme& b);

}  // namespace tersor
