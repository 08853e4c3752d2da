// Small random checkpoints for tests: a Llama-shaped folder, and any other set of tensors.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tersor/base/float_types.h"
#include "tersor/io/file.h"
#include "tersor/io/json.h"
#include "tersor/io/safetensors/safetensors_header.h"

namespace tersor::toy {

struct Tensor {
  std::string name;
  DType dtype = DType::kBF16;
  Shape shape;
  std::vector<std::byte> bytes;
};

// Normal numbers of standard deviation 0.05, rounded to `dtype` (bf16, f16 or f32). The same seed, the same
// bytes.
inline Tensor random_tensor(std::string name, Shape shape, uint32_t seed, DType dtype = DType::kBF16) {
  Tensor t{std::move(name), dtype, std::move(shape), {}};
  const uint64_t count = *num_elements(t.shape), size = dtype_size(dtype);
  t.bytes.resize(count * size);
  std::mt19937 rng(seed);
  for (uint64_t i = 0; i < count; ++i) {
    float sum = 0;  // twelve uniform numbers make a normal one, the same on every standard library
    for (int k = 0; k < 12; ++k) sum += static_cast<float>(rng() >> 8) * 0x1p-24f;
    const float x = 0.05f * (sum - 6);
    if (dtype == DType::kF32) {
      std::memcpy(&t.bytes[i * size], &x, 4);
    } else {
      const uint16_t bits = dtype == DType::kBF16 ? bfloat16_from(x).bits : float16_from(x).bits;
      std::memcpy(&t.bytes[i * size], &bits, 2);
    }
  }
  return t;
}

inline void write_safetensors(const std::filesystem::path& path, const std::vector<Tensor>& tensors) {
  std::vector<TensorInfo> infos;
  for (const Tensor& t : tensors) infos.push_back({t.name, t.dtype, t.shape, 0, 0});
  std::string file = layout_safetensors(infos, {{"format", "pt"}});
  for (const Tensor& t : tensors) file.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
  write_file_atomically(path, file);
}

struct Sizes {
  uint64_t hidden = 128, intermediate = 256, kv = 64, vocab = 96, layers = 2;
  bool tied = true;
};

inline std::vector<Tensor> llama_tensors(const Sizes& s, DType dtype = DType::kBF16) {
  std::vector<Tensor> out;
  uint32_t seed = 1;
  auto add = [&](const std::string& name, Shape shape) {
    out.push_back(random_tensor(name, std::move(shape), seed++, dtype));
  };
  add("model.embed_tokens.weight", {s.vocab, s.hidden});
  for (uint64_t l = 0; l < s.layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    add(layer + "input_layernorm.weight", {s.hidden});
    add(layer + "self_attn.q_proj.weight", {s.hidden, s.hidden});
    add(layer + "self_attn.k_proj.weight", {s.kv, s.hidden});
    add(layer + "self_attn.v_proj.weight", {s.kv, s.hidden});
    add(layer + "self_attn.o_proj.weight", {s.hidden, s.hidden});
    add(layer + "post_attention_layernorm.weight", {s.hidden});
    add(layer + "mlp.gate_proj.weight", {s.intermediate, s.hidden});
    add(layer + "mlp.up_proj.weight", {s.intermediate, s.hidden});
    add(layer + "mlp.down_proj.weight", {s.hidden, s.intermediate});
  }
  add("model.norm.weight", {s.hidden});
  if (!s.tied) add("lm_head.weight", {s.vocab, s.hidden});
  return out;
}

inline Json llama_config(const Sizes& s) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", s.hidden},
          {"intermediate_size", s.intermediate},
          {"num_hidden_layers", s.layers},
          {"num_attention_heads", s.hidden / 32},
          {"num_key_value_heads", s.kv / 32},
          {"head_dim", 32},
          {"vocab_size", s.vocab},
          {"tie_word_embeddings", s.tied},
          {"torch_dtype", "bfloat16"}};
}

// A folder with config.json, a tokenizer.json to carry over, and the tensors in `shards` files (1: no index).
inline void write_checkpoint(const std::filesystem::path& folder, const Json& config,
                             const std::vector<Tensor>& tensors, size_t shards = 1) {
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "config.json", dump_json(config));
  write_file_atomically(folder / "tokenizer.json", "{}");
  if (shards == 1) return write_safetensors(folder / "model.safetensors", tensors);
  Json map = Json::object();
  for (size_t s = 0; s < shards; ++s) {
    char name[64];
    std::snprintf(name, sizeof(name), "model-%05zu-of-%05zu.safetensors", s + 1, shards);
    std::vector<Tensor> part;
    for (size_t i = s * tensors.size() / shards; i < (s + 1) * tensors.size() / shards; ++i) {
      part.push_back(tensors[i]);
      map[tensors[i].name] = name;
    }
    write_safetensors(folder / name, part);
  }
  write_file_atomically(folder / "model.safetensors.index.json",
                        dump_json({{"metadata", {{"total_size", 0}}}, {"weight_map", map}}));
}

// Every file below a folder, by relative path.
inline std::map<std::string, std::string> read_folder(const std::filesystem::path& folder) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      out[std::filesystem::relative(entry.path(), folder)] = read_file(entry.path(), UINT64_MAX);
  }
  return out;
}

}  // namespace tersor::toy
