// Writes a Llama-shaped checkpoint of normal random bf16 weights, for benchmarks that need real bytes.
//
//   make_checkpoint FOLDER GIGABYTES [SHAPE]
//
// SHAPE: llama-8b (the default), or llama-1b, of which 1.95 GB have all 16 layers. GIGABYTES are rounded down
// to whole layers, which is what they count: the embedding comes on top.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

#include "tersor/base/float_types.h"
#include "tersor/io/file.h"
#include "tersor/io/json.h"
#include "tersor/io/safetensors/safetensors_header.h"

namespace {

using namespace tersor;

// A megabyte of N(0, 0.02) in bf16, from which every tensor takes its bytes at another offset.
std::vector<std::byte> weight_pool() {
  std::vector<std::byte> pool(1 << 20);
  std::mt19937 rng(1);
  std::normal_distribution<float> normal(0, 0.02f);
  for (size_t i = 0; i < pool.size(); i += 2) {
    const uint16_t bits = bfloat16_from(normal(rng)).bits;
    pool[i] = std::byte(bits & 0xFF);
    pool[i + 1] = std::byte(bits >> 8);
  }
  return pool;
}

struct ModelShape {
  const char* name;
  uint64_t hidden, intermediate, heads, kv_heads, head_dim, vocabulary;
};
constexpr ModelShape kShapes[] = {{"llama-8b", 4096, 14336, 32, 8, 128, 32000},
                                  {"llama-1b", 2048, 8192, 32, 8, 64, 128256}};

}  // namespace

int main(int argc, char** argv) {
  const auto* model =
      std::ranges::find(kShapes, std::string_view(argc > 3 ? argv[3] : "llama-8b"), &ModelShape::name);
  if (argc < 3 || argc > 4 || model == std::end(kShapes)) {
    std::fprintf(stderr, "usage: %s FOLDER GIGABYTES [llama-8b|llama-1b]\n", argv[0]);
    return 2;
  }
  const uint64_t hidden = model->hidden, intermediate = model->intermediate;
  const uint64_t queries = model->heads * model->head_dim, keys = model->kv_heads * model->head_dim;
  const uint64_t layer_bytes = 2 * (2 * queries * hidden + 2 * keys * hidden + 3 * intermediate * hidden);
  const auto layers =
      static_cast<uint64_t>(std::max(1.0, std::atof(argv[2]) * 1e9 / static_cast<double>(layer_bytes)));
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);

  const Json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"model_type", "llama"},
                       {"hidden_size", hidden},
                       {"intermediate_size", intermediate},
                       {"num_hidden_layers", layers},
                       {"num_attention_heads", model->heads},
                       {"num_key_value_heads", model->kv_heads},
                       {"head_dim", model->head_dim},
                       {"vocab_size", model->vocabulary},
                       {"tie_word_embeddings", true},
                       {"rms_norm_eps", 1e-5},
                       {"max_position_embeddings", 4096},
                       {"hidden_act", "silu"},
                       {"torch_dtype", "bfloat16"}};
  write_file_atomically(folder / "config.json", dump_json(config));

  const std::vector<std::byte> pool = weight_pool();
  Json weight_map = Json::object();
  uint64_t total = 0;
  for (uint64_t l = 0; l < layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    std::vector<TensorInfo> tensors;
    auto add = [&](const std::string& name, Shape shape) {
      tensors.push_back({name, DType::kBF16, std::move(shape), 0, 0});
    };
    if (l == 0) {
      add("model.embed_tokens.weight", {model->vocabulary, hidden});
      add("model.norm.weight", {hidden});
    }
    add(layer + "input_layernorm.weight", {hidden});
    add(layer + "self_attn.q_proj.weight", {queries, hidden});
    add(layer + "self_attn.k_proj.weight", {keys, hidden});
    add(layer + "self_attn.v_proj.weight", {keys, hidden});
    add(layer + "self_attn.o_proj.weight", {hidden, queries});
    add(layer + "post_attention_layernorm.weight", {hidden});
    add(layer + "mlp.gate_proj.weight", {intermediate, hidden});
    add(layer + "mlp.up_proj.weight", {intermediate, hidden});
    add(layer + "mlp.down_proj.weight", {hidden, intermediate});
    const std::string header = layout_safetensors(tensors, {{"format", "pt"}});
    char name[64];
    std::snprintf(name, sizeof(name), "model-%05llu-of-%05llu.safetensors",
                  static_cast<unsigned long long>(l + 1), static_cast<unsigned long long>(layers));
    const File file(folder / name, File::Open::kCreateReadWrite);
    file.write_at(0, std::as_bytes(std::span(header)));
    for (const TensorInfo& t : tensors) {
      weight_map[t.name] = name;
      total += t.bytes();
      uint64_t skip = 2 * std::hash<std::string>{}(t.name) % pool.size() / 2 * 2;
      for (uint64_t at = t.begin; at < t.end;) {
        const uint64_t count = std::min<uint64_t>(pool.size() - skip, t.end - at);
        file.write_at(at, std::span(pool).subspan(skip, count));
        at += count;
        skip = 0;
      }
    }
    file.sync();
  }
  write_file_atomically(folder / "model.safetensors.index.json",
                        dump_json({{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}}));
  return 0;
}
