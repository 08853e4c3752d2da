// Writes a Llama-shaped checkpoint of normal random bf16 weights, for benchmarks that need real bytes.
//
//   make_checkpoint FOLDER GIGABYTES
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s FOLDER GIGABYTES\n", argv[0]);
    return 2;
  }
  constexpr uint64_t kHidden = 4096, kIntermediate = 14336, kKv = 1024, kVocab = 32000;
  constexpr uint64_t kLayerBytes =
      2 * (2 * kHidden * kHidden + 2 * kKv * kHidden + 3 * kIntermediate * kHidden);
  const auto layers = static_cast<uint64_t>(std::max(1.0, std::atof(argv[2]) * 1e9 / kLayerBytes));
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);

  const Json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"model_type", "llama"},
                       {"hidden_size", kHidden},
                       {"intermediate_size", kIntermediate},
                       {"num_hidden_layers", layers},
                       {"num_attention_heads", 32},
                       {"num_key_value_heads", 8},
                       {"head_dim", 128},
                       {"vocab_size", kVocab},
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
      add("model.embed_tokens.weight", {kVocab, kHidden});
      add("model.norm.weight", {kHidden});
    }
    add(layer + "input_layernorm.weight", {kHidden});
    add(layer + "self_attn.q_proj.weight", {kHidden, kHidden});
    add(layer + "self_attn.k_proj.weight", {kKv, kHidden});
    add(layer + "self_attn.v_proj.weight", {kKv, kHidden});
    add(layer + "self_attn.o_proj.weight", {kHidden, kHidden});
    add(layer + "post_attention_layernorm.weight", {kHidden});
    add(layer + "mlp.gate_proj.weight", {kIntermediate, kHidden});
    add(layer + "mlp.up_proj.weight", {kIntermediate, kHidden});
    add(layer + "mlp.down_proj.weight", {kHidden, kIntermediate});
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
