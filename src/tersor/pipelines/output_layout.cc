#include "tersor/pipelines/output_layout.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/compressors/compressor.h"
#include "tersor/modeling/layer_linears.h"
#include "tersor/modeling/read_model_config.h"

namespace tersor {
namespace {

// The order of dtypes in a file, as the safetensors library has it: by alignment, widest first.
int dtype_rank(DType dtype) {
  constexpr std::array kOrder = {DType::kU64,    DType::kI64, DType::kF64,    DType::kU32,
                                 DType::kI32,    DType::kF32, DType::kU16,    DType::kI16,
                                 DType::kBF16,   DType::kF16, DType::kF8E8M0, DType::kF8E4M3,
                                 DType::kF8E5M2, DType::kI8,  DType::kU8,     DType::kBool};
  return static_cast<int>(std::ranges::find(kOrder, dtype) - kOrder.begin());
}

constexpr size_t kNone = SIZE_MAX;

// Of every shard, so that a later `verify` knows which arithmetic to hold the codes against.
constexpr const char* kWriterKey = "writer";
constexpr const char* kWriter = "tersor";

// A tensor of an output file before it has its place.
struct Draft {
  TensorInfo info;
  uint64_t copy_from = 0;  // offset in the source shard, of a copied tensor
  uint64_t copy_bytes = 0;
  size_t module = kNone;  // of a stored tensor: whose, and which of its tensors
  size_t stored_index = 0;
  bool of_activations = false;  // then stored_index counts activation tensors
  size_t kv_layer = kNone;      // of a scale of cached keys (stored_index 0) or values (1)
};

class ShardDraft {
 public:
  ShardDraft(const Checkpoint& checkpoint, CompressionPlan& plan, size_t shard)
      : checkpoint_(checkpoint), plan_(plan), shard_(shard) {}

  void copy_tensor(const TensorInfo& source) {
    drafts_.push_back({.info = {source.name, source.dtype, source.shape, 0, 0},
                       .copy_from = source.begin,
                       .copy_bytes = source.bytes()});
  }

  // A slice of a fused expert tensor that is stored as it is, beside siblings that are quantized.
  void copy_module(const SourceModule& module) {
    const uint64_t bytes = *num_bytes(module.shape, module.dtype);
    drafts_.push_back({.info = {module.name.name + ".weight", module.dtype, module.shape, 0, 0},
                       .copy_from = module.begin,
                       .copy_bytes = bytes});
  }

  void compress_module(size_t m) {
    const SourceModule& module = plan_.inventory.modules[m];
    const QuantizationScheme& scheme = plan_.schemes[*plan_.decisions[m].scheme];
    const auto stored = stored_tensors(scheme, module.dtype, module.out(), module.in());
    plan_.decisions[m].stored.assign(stored.size(), kNone);
    for (size_t i = 0; i < stored.size(); ++i) {
      drafts_.push_back(
          {.info = {module.name.name + "." + stored[i].suffix, stored[i].dtype, stored[i].shape, 0, 0},
           .module = m,
           .stored_index = i});
    }
    const auto activations = activation_tensors(scheme, module.dtype);
    plan_.decisions[m].activations.assign(activations.size(), kNone);
    for (size_t i = 0; i < activations.size(); ++i) {
      drafts_.push_back({.info = {module.name.name + "." + activations[i].suffix, activations[i].dtype,
                                  activations[i].shape, 0, 0},
                         .module = m,
                         .stored_index = i,
                         .of_activations = true});
    }
  }

  // The scales of keys and values of `layer`, for the attention module `name`; one, or one per head.
  void add_kv_cache(size_t layer, const std::string& name, DType dtype, const Shape& shape) {
    for (size_t i = 0; i < 2; ++i) {
      drafts_.push_back({.info = {name + (i == 0 ? ".k_scale" : ".v_scale"), dtype, shape, 0, 0},
                         .stored_index = i,
                         .kv_layer = layer});
    }
  }

  PlannedShard finish() {
    std::ranges::sort(drafts_, [](const Draft& a, const Draft& b) {
      return a.info.dtype != b.info.dtype ? dtype_rank(a.info.dtype) < dtype_rank(b.info.dtype)
                                          : a.info.name < b.info.name;
    });
    PlannedShard out;
    out.file_name = checkpoint_.shards[shard_].file_name;
    out.tensors.reserve(drafts_.size());
    for (Draft& d : drafts_) out.tensors.push_back(std::move(d.info));
    out.header = layout_safetensors(out.tensors, {{"format", "pt"}, {kWriterKey, kWriter}});
    out.bytes = out.tensors.empty() ? out.header.size() : out.tensors.back().end;
    for (size_t i = 0; i < drafts_.size(); ++i) {
      const Draft& d = drafts_[i];
      if (d.kv_layer != kNone) {
        PlannedKvCache& kv = plan_.calibration->kv_cache[d.kv_layer];
        kv.layer = d.kv_layer;
        kv.shard = shard_;
        (d.stored_index == 0 ? kv.key_scale : kv.value_scale) = i;
      } else if (d.module != kNone && d.of_activations) {
        plan_.decisions[d.module].activations[d.stored_index] = i;
      } else if (d.module != kNone) {
        plan_.decisions[d.module].stored[d.stored_index] = i;
      } else if (d.copy_bytes > 0) {
        out.copies.push_back({.tensor = i, .source_begin = d.copy_from, .bytes = d.copy_bytes});
      }
    }
    return out;
  }

 private:
  const Checkpoint& checkpoint_;
  CompressionPlan& plan_;
  size_t shard_;
  std::vector<Draft> drafts_;
};

// Where the scales of keys and values go: into the shard of the projection that makes the keys.
struct KvCachePlaces {
  std::map<std::string, std::pair<size_t, std::string>>
      layers;  // by that projection's tensor: layer, attention module
  Shape shape = {1};
};

KvCachePlaces kv_cache_places(const Checkpoint& checkpoint, CompressionPlan& plan) {
  KvCachePlaces places;
  if (!plan.calibration || !plan.calibration->kv_cache_scheme) return places;
  const ModelConfig model =
      read_model_config(checkpoint.config, (checkpoint.folder / "config.json").string());
  const AttentionConfig& a = model.attention;
  if (plan.calibration->kv_cache_scheme->strategy == Strategy::kAttnHead)
    places.shape = {a.mla ? a.heads : a.kv_heads, 1, 1};
  plan.calibration->kv_cache.resize(model.layers.size());
  for (size_t l = 0; l < model.layers.size(); ++l)
    places.layers[key_projection(model, l) + ".weight"] = {l, attention_module(model, l)};
  return places;
}

}  // namespace

void lay_out_shards(const Checkpoint& checkpoint, CompressionPlan& plan) {
  // The modules of each source tensor stand together in the inventory, in order of shard and tensor.
  const auto& modules = plan.inventory.modules;
  const KvCachePlaces kv = kv_cache_places(checkpoint, plan);
  size_t next = 0;
  plan.shards.clear();
  for (size_t s = 0; s < checkpoint.shards.size(); ++s) {
    ShardDraft draft(checkpoint, plan, s);
    const auto& tensors = checkpoint.shards[s].header.tensors;
    for (size_t t = 0; t < tensors.size(); ++t) {
      if (const auto layer = kv.layers.find(tensors[t].name); layer != kv.layers.end())
        draft.add_kv_cache(layer->second.first, layer->second.second, tensors[t].dtype, kv.shape);
      const size_t first = next;
      bool quantized = false;
      while (next < modules.size() && modules[next].has_weight && modules[next].place.shard == s &&
             modules[next].place.tensor == t) {
        quantized |= plan.decisions[next].scheme.has_value();
        ++next;
      }
      if (!quantized) {
        draft.copy_tensor(tensors[t]);
        continue;
      }
      for (size_t m = first; m < next; ++m) {
        if (plan.decisions[m].scheme) {
          draft.compress_module(m);
        } else {
          draft.copy_module(modules[m]);
        }
      }
    }
    plan.shards.push_back(draft.finish());
  }
}

bool written_by_tersor(const Checkpoint& checkpoint) {
  return std::ranges::any_of(checkpoint.shards, [](const Shard& shard) {
    const auto writer = shard.header.metadata.find(kWriterKey);
    return writer != shard.header.metadata.end() && writer->second == kWriter;
  });
}

}  // namespace tersor
