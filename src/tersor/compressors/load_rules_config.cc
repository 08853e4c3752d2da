// Load rules: what config.json says of itself and of the weights' sizes. Readers allocate what the config
// says, and stop at a weight that has another size.
//
// Judged are the families whose layers are all alike; a key that is absent is not guessed.
#include <algorithm>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/compressors/load_rule.h"

namespace tersor {
namespace {

constexpr const char* kMend = "take config.json and the weights from the same checkpoint";

// Families whose head_dim, where config.json has none, is hidden_size / num_attention_heads.
constexpr std::string_view kHeadDimFromHidden[] = {"cohere2", "granite",    "llama",   "mistral",
                                                   "mixtral", "olmo2",      "olmoe",   "phi3",
                                                   "qwen2",   "qwen2_5_vl", "smollm3", "starcoder2"};

// A side of a weight as the config gives it; 0: not known.
struct Side {
  uint64_t size = 0;
  std::string from;  // "hidden_size"
};

// The keys that sizes come from; 0: absent.
struct ConfigSizes {
  uint64_t hidden, intermediate, heads, kv_heads, head_dim, vocabulary;

  explicit ConfigSizes(const LoadView& view)
      : hidden(unsigned_at(*view.text_config, "hidden_size")),
        intermediate(unsigned_at(*view.text_config, "intermediate_size")),
        heads(unsigned_at(*view.text_config, "num_attention_heads")),
        kv_heads(unsigned_at(*view.text_config, "num_key_value_heads")),
        head_dim(unsigned_at(*view.text_config, "head_dim")),
        // Beside other parts the embedding may have room for their tokens.
        vocabulary(view.multipart ? 0 : unsigned_at(*view.text_config, "vocab_size")) {
    const bool divided =
        std::ranges::find(kHeadDimFromHidden, view.model_type) != std::end(kHeadDimFromHidden);
    if (head_dim == 0 && divided && heads != 0) head_dim = hidden / heads;
    // Latent attention has sizes of its own.
    if (view.model_type.starts_with("deepseek")) head_dim = 0;
  }

  Side of_hidden() const { return {hidden, "hidden_size"}; }
  Side of_intermediate(uint64_t stacked = 1) const {
    return {stacked * intermediate, stacked == 1 ? "intermediate_size" : "2 × intermediate_size"};
  }
  Side of_vocabulary() const { return {vocabulary, "vocab_size"}; }
  Side of_heads(uint64_t count, const char* key) const {
    return {count * head_dim, fmt::format("{} × {} a head", key, head_dim)};
  }
  Side of_queries() const { return of_heads(heads, "num_attention_heads"); }
  Side of_keys() const { return of_heads(kv_heads, "num_key_value_heads"); }
};

struct Expected {
  Side out, in;
};

// What the config says of the weight of this name, behind the layer's number or alone.
std::optional<Expected> expected_of(std::string_view name, const ConfigSizes& c) {
  if (name == "self_attn.q_proj") return Expected{c.of_queries(), c.of_hidden()};
  if (name == "self_attn.k_proj" || name == "self_attn.v_proj") return Expected{c.of_keys(), c.of_hidden()};
  if (name == "self_attn.o_proj") return Expected{c.of_hidden(), c.of_queries()};
  if (name == "mlp.gate_proj" || name == "mlp.up_proj") return Expected{c.of_intermediate(), c.of_hidden()};
  if (name == "mlp.gate_up_proj") return Expected{c.of_intermediate(2), c.of_hidden()};
  if (name == "mlp.down_proj") return Expected{c.of_hidden(), c.of_intermediate()};
  if (name == "embed_tokens" || name == "lm_head") return Expected{c.of_vocabulary(), c.of_hidden()};
  return std::nullopt;
}

}  // namespace

std::vector<Breach> check_config_sizes(const LoadView& view) {
  if (view.text_config == nullptr || !is_known_family(view)) return {};
  const ConfigSizes config(view);
  Breach breach{.message = {}, .modules = {}, .fix = kMend};
  for (size_t i = 0; i < view.modules.size(); ++i) {
    const ViewedModule& m = view.modules[i];
    if (m.mixture >= 0 || is_tower(m.module->name)) continue;
    const LayerName layer = layer_of(m.module->name);
    const auto expected = expected_of(layer.index.empty() ? m.leaf : layer.tail, config);
    if (!expected) continue;
    for (const auto& [side, size, what] : {std::tuple(&expected->out, m.module->out, "rows"),
                                           std::tuple(&expected->in, m.module->in, "columns")}) {
      if (side->size == 0 || side->size == size) continue;
      if (breach.modules.empty())
        breach.message = fmt::format("{}.weight has {} {}, config.json says {} ({})", m.module->name, size,
                                     what, side->size, side->from);
      breach.modules.push_back(static_cast<int32_t>(i));
      break;
    }
  }
  if (breach.modules.empty()) return {};
  if (breach.modules.size() > 1)
    breach.message += fmt::format("; {} weights contradict it", format_count(breach.modules.size()));
  return {breach};
}

std::vector<Breach> check_config_counts(const LoadView& view) {
  if (view.text_config == nullptr || !is_known_family(view)) return {};
  for (const char* key : {"num_attention_heads", "num_key_value_heads", "hidden_size", "num_hidden_layers"}) {
    const auto found = view.text_config->find(key);
    if (found != view.text_config->end() && found->is_number_integer() && found->get<int64_t>() == 0)
      return {{fmt::format("config.json says `{}: 0`", key), {}, kMend}};
  }
  return {};
}

std::vector<Breach> check_architectures(const LoadView& view) {
  if (view.context.config == nullptr || !view.context.config->is_object()) return {};
  const auto names = view.context.config->find("architectures");
  if (names == view.context.config->end() || names->is_null()) return {};
  if (names->is_array() && std::ranges::all_of(*names, [](const Json& name) { return name.is_string(); }))
    return {};
  return {{"config.json's `architectures` is no list of names",
           {},
           "write it as a list: `\"architectures\": [\"LlamaForCausalLM\"]`"}};
}

}  // namespace tersor
