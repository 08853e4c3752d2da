#include "tersor/modeling/model.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/modeling/arch/families.h"
#include "tersor/modeling/layer_ranges.h"

namespace tersor {

Model::Model(Checkpoint checkpoint, Backend& backend)
    : checkpoint_(std::move(checkpoint)), backend_(&backend) {
  config_ = read_model_config(checkpoint_.config, (checkpoint_.folder / "config.json").string());
  loader_ = std::make_unique<WeightLoader>(checkpoint_, backend);
  final_norm_ = loader_->load_norm(config_.final_norm_name, config_.hidden);
  loader_->check_linear(config_.embedding_name, config_.vocabulary, config_.hidden);
  if (!config_.tied_head) loader_->check_linear(config_.head_name, config_.vocabulary, config_.hidden);
}

Layer Model::load_layer(size_t index) const { return tersor::load_layer(*loader_, config_, index); }

void Model::expect_layer(size_t index) const {
  if (index >= config_.layers.size()) return;
  const std::vector<ByteRange> ranges = layer_ranges(checkpoint_, config_, index);
  uint64_t bytes = 0;
  for (const ByteRange& range : ranges) bytes += range.end - range.begin;
  if (cache_use_for(2 * bytes) == CacheUse::kDrop) return;
  for (const ByteRange& range : ranges)
    checkpoint_.shards[range.shard].source->will_need(range.begin, range.end - range.begin);
}

void Model::done_with_layer(size_t index) const {
  for (const ByteRange& range : layer_ranges(checkpoint_, config_, index))
    checkpoint_.shards[range.shard].source->done_with(range.begin, range.end - range.begin);
}

void Model::load_all_layers() {
  if (!embedding_) {
    embedding_ = loader_->load_tensor(config_.embedding_name + ".weight", embedding_shape());
    // Some checkpoints that say tied store the head all the same: it is the embedding.
    if (config_.tied_head) {
      head_.name = config_.head_name;
      head_.weight = backend_->pack(embedding_);
    } else {
      head_ = load_head(0, config_.vocabulary);
    }
  }
  for (size_t i = layers_.size(); i < config_.layers.size(); ++i) layers_.push_back(load_layer(i));
}

std::vector<RopeTable> Model::make_ropes(size_t length) const {
  std::vector<RopeTable> tables;
  for (const RopeConfig& rope : config_.ropes) tables.push_back(make_rope_table(*backend_, rope, length));
  return tables;
}

DeviceTensor Model::embed(std::span<const int32_t> ids) const {
  for (int32_t id : ids) {
    if (id >= 0 && static_cast<size_t>(id) < config_.vocabulary) continue;
    throw input_error(
        fmt::format("token id {} is not in the model's vocabulary of {}", id, config_.vocabulary),
        "the tokenizer belongs to another model");
  }
  DeviceTensor table = embedding_;
  std::vector<int32_t> rows(ids.begin(), ids.end());
  if (!table) {  // of the file's rows those that occur, each once
    std::vector<int32_t> distinct = rows;
    std::ranges::sort(distinct);
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    table = loader_->gather_rows(config_.embedding_name + ".weight", embedding_shape(), distinct);
    for (int32_t& row : rows)
      row = static_cast<int32_t>(std::ranges::lower_bound(distinct, row) - distinct.begin());
  }
  const DeviceTensor device_ids = backend_->allocate(DType::kI32, 1, rows.size());
  backend_->copy_in(device_ids, rows.data());
  const DeviceTensor hidden = backend_->allocate(DType::kF32, rows.size(), config_.hidden);
  backend_->embed(table, device_ids, hidden);
  if (config_.embedding_multiplier != 1) backend_->scale(config_.embedding_multiplier, hidden, hidden);
  return hidden;
}

DeviceTensor Model::final_norm(const DeviceTensor& hidden) const {
  return apply_norm(*backend_, config_.norm, final_norm_, hidden);
}

Linear Model::load_head(size_t begin, size_t count) const {
  if (!config_.tied_head)
    return loader_->load_linear_rows(config_.head_name, config_.vocabulary, config_.hidden, begin, count);
  Linear head;
  head.name = config_.head_name;
  head.weight =
      backend_->pack(loader_->load_rows(config_.embedding_name + ".weight", embedding_shape(), begin, count));
  return head;
}

DeviceTensor Model::apply_head(const Linear& head, const DeviceTensor& normed) const {
  const DeviceTensor logits = apply_linear(*backend_, head, normed);
  if (config_.logit_multiplier != 1) backend_->scale(config_.logit_multiplier, logits, logits);
  if (config_.logit_soft_cap > 0) backend_->soft_cap(config_.logit_soft_cap, logits, logits);
  return logits;
}

DeviceTensor Model::run_layers(DeviceTensor hidden, std::vector<SequenceSpan> sequences, KvCache* cache,
                               std::span<const RopeTable> ropes) {
  LayerState state;
  state.hidden = std::move(hidden);
  state.sequences = std::move(sequences);
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (cache != nullptr) state.sequences[0].cache = &cache->layers[i];
    run_layer(*backend_, config_, layers_[i], ropes, state);
  }
  return state.hidden;
}

std::optional<int> Model::first_layer_not_finite(std::span<const int32_t> ids) {
  load_all_layers();
  const std::vector<RopeTable> ropes = make_ropes(ids.size());
  LayerState state;
  state.hidden = embed(ids);
  state.sequences = {{0, ids.size(), 0, nullptr, 0}};
  std::vector<float> values(state.hidden.size());
  const auto finite = [&] {
    backend_->copy_out(state.hidden, values.data());
    return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
  };
  if (!finite()) return -1;
  for (const Layer& layer : layers_) {
    run_layer(*backend_, config_, layer, ropes, state);
    if (!finite()) return static_cast<int>(layer.index);
  }
  return std::nullopt;
}

DeviceTensor Model::logits(std::span<const int32_t> ids) {
  load_all_layers();
  const DeviceTensor hidden =
      run_layers(embed(ids), {{0, ids.size(), 0, nullptr, 0}}, nullptr, make_ropes(ids.size()));
  return apply_head(head_, final_norm(hidden));
}

KvCache Model::make_cache(size_t capacity) const {
  return {capacity, 0, std::vector<LayerCache>(config_.layers.size())};
}

DeviceTensor Model::step(std::span<const int32_t> ids, KvCache& cache) {
  if (ids.empty() || ids.size() > cache.capacity - cache.length) {
    throw usage_error(fmt::format("{} tokens after {} do not fit a cache of {} positions", ids.size(),
                                  cache.length, cache.capacity));
  }
  if (step_capacity_ != cache.capacity) {
    step_ropes_ = make_ropes(cache.capacity);
    step_capacity_ = cache.capacity;
  }
  load_all_layers();
  const SequenceSpan span{0, ids.size(), cache.length, nullptr, cache.capacity};
  const DeviceTensor hidden = run_layers(embed(ids), {span}, &cache, step_ropes_);
  cache.length += ids.size();
  return apply_head(head_, final_norm(hidden.sub_rows(hidden.rows - 1, 1)));
}

}  // namespace tersor
