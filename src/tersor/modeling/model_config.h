// What a decoder is, as data: one block forward runs every family from this description.
//
// A layer: x → attention norm → attention → (norm) → + x → MLP norm → MLP or experts → (norm) → + x. Which of
// the norms exist, and whether both halves read the same input, is data too.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tersor/backend/backend.h"

namespace tersor {

// Rotary position embedding. The frequencies are theta^(-2i/dim), changed as `type` says (rope.h).
struct RopeConfig {
  std::string type = "default";  // default, linear, dynamic, llama3, yarn, longrope
  double theta = 10000;
  size_t dim = 0;            // rotated dimensions of a head
  bool interleaved = false;  // pairs (2i, 2i + 1) instead of (i, i + dim/2)
  double factor = 1;
  size_t max_positions = 0;           // of the model
  size_t original_max_positions = 0;  // before its context was stretched
  std::optional<double> attention_factor;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;              // yarn
  double mscale = 0, mscale_all_dim = 0;             // yarn (DeepSeek)
  bool truncate = true;                              // yarn
  std::vector<double> short_factor, long_factor;     // longrope
};

// Multi-head latent attention (DeepSeek-V2): queries and keys/values through low-rank latents; each key head
// is `nope_dim` dimensions of its own and `rope_dim` rotated ones that all heads share.
struct MlaConfig {
  size_t q_rank = 0;  // 0: queries straight from the hidden state
  size_t kv_rank = 0;
  size_t nope_dim = 0;
  size_t rope_dim = 0;
  float norm_epsilon = 1e-6f;  // of the latents' norms
};

// Norms of queries and keys after their projections.
enum class QkNorm { kNone, kPerHead, kFullWidth };

struct AttentionConfig {
  size_t heads = 0;
  size_t kv_heads = 0;
  size_t head_dim = 0;   // of queries and keys
  size_t value_dim = 0;  // of values
  float scale = 0;
  float soft_cap = 0;  // 0: none
  QkNorm qk_norm = QkNorm::kNone;
  std::optional<MlaConfig> mla;
};

struct MlpConfig {
  size_t intermediate = 0;
  bool gated = true;  // down(act(gate(x)) ∘ up(x)); false: down(act(up(x)))
  Activation activation = Activation::kSilu;
};

struct MoeConfig {
  size_t experts = 0;
  size_t intermediate = 0;
  RouteArgs route;
  size_t shared_intermediate = 0;  // of the expert that every token passes; 0: none
};

struct LayerConfig {
  size_t window = 0;  // sliding window; 0: all positions
  int rope = 0;       // index into ModelConfig::ropes; -1: no positions
  bool moe = false;
};

// Tensor names below a layer's prefix; an empty name: the family has no such module. Linears may have a bias:
// where the checkpoint has one, it is used.
struct LayerNames {
  std::string attention_norm = "input_layernorm";
  std::string attention_post_norm;
  std::string mlp_norm = "post_attention_layernorm";
  std::string mlp_post_norm;
  std::string q = "self_attn.q_proj", k = "self_attn.k_proj", v = "self_attn.v_proj";
  std::string qkv;  // instead of the three: rows of q, then k, then v
  std::string o = "self_attn.o_proj";
  std::string q_norm = "self_attn.q_norm", k_norm = "self_attn.k_norm";
  std::string q_a = "self_attn.q_a_proj", q_a_norm = "self_attn.q_a_layernorm", q_b = "self_attn.q_b_proj";
  std::string kv_a = "self_attn.kv_a_proj_with_mqa", kv_a_norm = "self_attn.kv_a_layernorm";
  std::string kv_b = "self_attn.kv_b_proj";
  std::string gate = "mlp.gate_proj", up = "mlp.up_proj", down = "mlp.down_proj";
  std::string gate_up;  // instead of the two: rows of gate, then up
  std::string router = "mlp.gate";
  std::string router_bias;  // the whole tensor's name below the layer
  // Expert e is `<experts>.<e>.<expert_gate>` and so on, or one tensor for all of them, [experts, out, in].
  std::string experts = "mlp.experts";
  std::string expert_gate = "gate_proj", expert_up = "up_proj", expert_down = "down_proj";
  std::string stacked_gate_up, stacked_down;
  std::string shared = "mlp.shared_experts";  // with gate_proj, up_proj, down_proj
  std::string shared_gate;                    // [1, hidden]: sigmoid(gate) scales the shared expert
};

struct ModelConfig {
  std::string family;  // config.json's model_type
  size_t hidden = 0;
  size_t vocabulary = 0;
  size_t max_positions = 0;
  std::vector<LayerConfig> layers;

  NormArgs norm;
  bool parallel = false;  // attention and MLP both read the attention norm's output
  AttentionConfig attention;
  std::vector<RopeConfig> ropes;
  MlpConfig mlp;
  MoeConfig moe;

  float embedding_multiplier = 1;
  float residual_multiplier = 1;
  float logit_multiplier = 1;
  float logit_soft_cap = 0;  // 0: none
  bool tied_head = false;

  std::string embedding_name = "model.embed_tokens";
  std::string final_norm_name = "model.norm";
  std::string head_name = "lm_head";
  std::string layer_prefix = "model.layers.";  // then the index and a dot
  LayerNames names;
};

}  // namespace tersor
