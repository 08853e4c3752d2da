#include <cmath>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/modeling/arch/families.h"
#include "tersor/modeling/rope.h"

namespace tersor {

Activation read_activation(const ConfigReader& config, std::string_view key, std::string fallback) {
  const std::string name = config.text(key, std::move(fallback));
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") return Activation::kGeluTanh;
  if (name == "relu") return Activation::kRelu;
  if (name == "relu2") return Activation::kRelu2;
  throw input_error(fmt::format("{}: activation `{}` cannot be run", config.origin(), name),
                    "silu, gelu, gelu_pytorch_tanh, relu and relu2 can");
}

ModelConfig read_common(const ConfigReader& config) {
  ModelConfig model;
  model.hidden = config.size("hidden_size");
  model.vocabulary = config.size("vocab_size");
  model.max_positions = config.size("max_position_embeddings", 2048);
  const size_t layers = config.size("num_hidden_layers");
  if (layers > 100'000) {
    throw input_error(
        fmt::format("{}: `num_hidden_layers` is {}, at most 100000 was expected", config.origin(), layers),
        "compare config.json with the model's original one");
  }
  model.layers.resize(layers);
  model.norm.epsilon = static_cast<float>(config.number("rms_norm_eps", 1e-6));

  AttentionConfig& attention = model.attention;
  attention.heads = config.size("num_attention_heads");
  attention.kv_heads = config.size("num_key_value_heads", attention.heads);
  if (attention.heads % attention.kv_heads != 0) {
    throw input_error(fmt::format("{}: {} attention heads cannot share {} key/value heads evenly",
                                  config.origin(), attention.heads, attention.kv_heads),
                      "compare config.json with the model's original one");
  }
  if (!config.has("head_dim") && model.hidden % attention.heads != 0) {
    throw input_error(
        fmt::format("{}: hidden_size {} is not a multiple of {} heads, and there is no `head_dim`",
                    config.origin(), model.hidden, attention.heads),
        "compare config.json with the model's original one");
  }
  attention.head_dim = config.size("head_dim", model.hidden / attention.heads);
  attention.value_dim = attention.head_dim;
  attention.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(attention.head_dim)));
  model.ropes = {read_rope(config, attention.head_dim)};

  model.mlp.intermediate = config.size("intermediate_size");
  model.mlp.activation = read_activation(config, "hidden_act", "silu");
  model.tied_head = config.flag("tie_word_embeddings", false);
  return model;
}

void read_windows(const ConfigReader& config, bool everywhere, ModelConfig& model) {
  const size_t window = config.size_or_zero("sliding_window");
  if (window == 0) return;
  const Json* types = config.find("layer_types");
  if (types != nullptr && (!types->is_array() || types->size() != model.layers.size())) {
    throw input_error(fmt::format("{}: `layer_types` was expected to be a list of {} names, one per layer",
                                  config.origin(), model.layers.size()));
  }
  for (size_t i = 0; i < model.layers.size(); ++i) {
    const bool sliding = types != nullptr ? (*types)[i] == "sliding_attention" : everywhere;
    model.layers[i].window = sliding ? window : 0;
  }
}

void read_experts(const ConfigReader& config, std::string_view count_key, std::string_view width_key,
                  ModelConfig& model) {
  // Transformers 5 writes num_local_experts for all families.
  model.moe.experts = config.has(count_key) ? config.size(count_key) : config.size("num_local_experts");
  model.moe.intermediate = config.size(width_key);
  model.moe.route.top_k = config.size("num_experts_per_tok");
  if (model.moe.route.top_k > model.moe.experts) {
    throw input_error(fmt::format("{}: {} experts per token of {}", config.origin(), model.moe.route.top_k,
                                  model.moe.experts));
  }
  for (LayerConfig& layer : model.layers) layer.moe = true;
}

}  // namespace tersor
