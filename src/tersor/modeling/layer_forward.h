// One layer's forward, stage by stage: the linears of a stage read inputs that no linear of it makes.
//
//   begin_layer → { run_stage } for each of layer_stages() → state.hidden is the layer's output
//
// Between the stages a caller may look at the inputs of the next one (stage_groups) and replace the weights
// that read them: what calibration does. run_layer() is the loop without a stop.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "tersor/modeling/layer.h"
#include "tersor/modeling/rope.h"

namespace tersor {

enum class Stage {
  kAttentionIn,   // q, k, v; of latent attention: q_a (or q) and kv_a
  kLatentUp,      // q_b, kv_b
  kAttentionOut,  // o
  kMlpIn,         // gate, up: of the MLP, of each routed expert, of the shared expert
  kMlpOut,        // down
};

// Keys (after rotary) and values of the positions before, [capacity, width] each; made at the first use.
struct LayerCache {
  DeviceTensor keys;
  DeviceTensor values;
};

// Rows [begin, begin + rows) of the hidden states are consecutive positions of one sequence, from
// `first_position` on.
struct SequenceSpan {
  size_t begin = 0;
  size_t rows = 0;
  size_t first_position = 0;
  LayerCache* cache = nullptr;  // null: the sequence starts here and nothing is kept
  size_t capacity = 0;          // positions that the cache holds
};

// Linears that read the same tensor.
struct LinearGroup {
  DeviceTensor input;  // [rows, in]
  std::vector<Linear*> linears;
  int expert = -1;  // of a routed expert: its index, and `input` holds its rows alone
};

// What is kept between stages.
struct LayerState {
  DeviceTensor hidden;  // [tokens, hidden]: before the layer its input, after the last stage its output
  std::vector<SequenceSpan> sequences;

  // The router's choice, for callers that want to see it: rows of `mlp_input` by expert.
  struct ExpertRows {
    size_t expert = 0;
    std::vector<int32_t> rows;
    DeviceTensor row_ids, weights;
    DeviceTensor input, inner;
  };
  std::vector<ExpertRows> routed;  // experts with at least one row, in order

  DeviceTensor attention_input, q_latent, kv_latent, shared_key, q, k, v, attention_output;
  DeviceTensor mlp_input, mlp_inner, shared_inner;

  // Sees the keys (after rotary) and values of the sequences' own positions, as a cache would take them; may
  // be empty.
  std::function<void(const DeviceTensor& keys, const DeviceTensor& values)> on_keys_values;
};

// Rows that an MLP takes at a time: of what its two halves make, only the product is kept for all of them.
constexpr size_t kMlpRows = 1024;

std::vector<Stage> layer_stages(const ModelConfig& model, const Layer& layer);

void begin_layer(Backend& backend, const ModelConfig& model, const Layer& layer, LayerState& state);
std::vector<LinearGroup> stage_groups(Layer& layer, Stage stage, const LayerState& state);
void run_stage(Backend& backend, const ModelConfig& model, const Layer& layer, Stage stage,
               std::span<const RopeTable> ropes, LayerState& state);

void run_layer(Backend& backend, const ModelConfig& model, const Layer& layer,
               std::span<const RopeTable> ropes, LayerState& state);

// y = linear(x), activation quantization included.
void apply_linear(Backend& backend, const Linear& linear, const DeviceTensor& x, const DeviceTensor& y);
// Allocates y.
DeviceTensor apply_linear(Backend& backend, const Linear& linear, const DeviceTensor& x);
// Allocates the result; an absent norm returns x itself.
DeviceTensor apply_norm(Backend& backend, const NormArgs& args, const Norm& norm, const DeviceTensor& x);

// What linears of expert `expert` read of rows of the MLP's input, whoever routes them there: of kMlpIn the
// rows themselves, of kMlpOut what the expert's gate and up make of them.
DeviceTensor expert_input(Backend& backend, const ModelConfig& model, const Layer& layer, Stage stage,
                          size_t expert, const DeviceTensor& rows);

// The halves of run_stage; attention_forward.cc and mlp_forward.cc.
void run_attention_in(Backend& backend, const ModelConfig& model, const Layer& layer,
                      std::span<const RopeTable> ropes, LayerState& state);
void run_latent_up(Backend& backend, const ModelConfig& model, const Layer& layer,
                   std::span<const RopeTable> ropes, LayerState& state);
void begin_mlp(Backend& backend, const ModelConfig& model, const Layer& layer, LayerState& state);
void run_mlp_in(Backend& backend, const ModelConfig& model, const Layer& layer, LayerState& state);
DeviceTensor run_mlp_out(Backend& backend, const ModelConfig& model, const Layer& layer, LayerState& state);

}  // namespace tersor
