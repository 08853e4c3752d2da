// Queries, keys and values from the projections, then attention: grouped-query and latent.
#include "tersor/modeling/layer_forward.h"

namespace tersor {
namespace {

DeviceTensor columns(Backend& backend, const DeviceTensor& x, size_t begin, size_t count) {
  const DeviceTensor y = backend.allocate(x.dtype, x.rows, count);
  backend.copy_block(x, 0, begin, x.rows, count, y, 0, 0);
  return y;
}

// Norm of q or k: over each head, or over all of them at once.
void normalize_heads(Backend& backend, const ModelConfig& model, const Norm& norm, const DeviceTensor& x) {
  if (!norm) return;
  const DeviceTensor rows = model.attention.qk_norm == QkNorm::kPerHead
                                ? x.reshaped(x.size() / norm.weight.cols, norm.weight.cols)
                                : x;
  backend.norm(model.norm, rows, norm.weight, norm.bias, rows);
}

void rotate(Backend& backend, const ModelConfig& model, const Layer& layer, std::span<const RopeTable> ropes,
            const LayerState& state, size_t heads, size_t head_dim, size_t first_dim, const DeviceTensor& x) {
  if (layer.config.rope < 0) return;
  const auto index = static_cast<size_t>(layer.config.rope);
  const RopeConfig& rope = model.ropes[index];
  for (const SequenceSpan& span : state.sequences) {
    const RotaryArgs args{heads, head_dim, first_dim, rope.dim, rope.interleaved, span.first_position};
    backend.rotary(args, ropes[index].cos, ropes[index].sin, x.sub_rows(span.begin, span.rows));
  }
}

// All positions of a sequence so far, this span's appended to the cache.
DeviceTensor with_cache(Backend& backend, const SequenceSpan& span, DeviceTensor LayerCache::* member,
                        const DeviceTensor& x) {
  const DeviceTensor fresh = x.sub_rows(span.begin, span.rows);
  if (span.cache == nullptr) return fresh;
  DeviceTensor& kept = span.cache->*member;
  if (!kept) kept = backend.allocate(DType::kF32, span.capacity, x.cols);
  backend.copy_block(fresh, 0, 0, span.rows, x.cols, kept, span.first_position, 0);
  return kept.sub_rows(0, span.first_position + span.rows);
}

// state.q, k, v → state.attention_output.
void attend(Backend& backend, const ModelConfig& model, const Layer& layer, LayerState& state) {
  if (state.on_keys_values) state.on_keys_values(state.k, state.v);
  const AttentionConfig& a = model.attention;
  AttentionArgs args{a.heads, a.kv_heads, a.head_dim, a.value_dim, a.scale, a.soft_cap, layer.config.window};
  state.attention_output = backend.allocate(DType::kF32, state.q.rows, a.heads * a.value_dim);
  for (const SequenceSpan& span : state.sequences) {
    const DeviceTensor keys = with_cache(backend, span, &LayerCache::keys, state.k);
    const DeviceTensor values = with_cache(backend, span, &LayerCache::values, state.v);
    backend.attention(args, state.q.sub_rows(span.begin, span.rows), keys, values,
                      state.attention_output.sub_rows(span.begin, span.rows));
  }
  state.q = state.k = state.v = {};
}

}  // namespace

void run_attention_in(Backend& backend, const ModelConfig& model, const Layer& layer,
                      std::span<const RopeTable> ropes, LayerState& state) {
  const AttentionConfig& a = model.attention;
  const DeviceTensor& x = state.attention_input;
  if (a.mla) {
    if (layer.q_a) {
      state.q_latent = apply_linear(backend, layer.q_a, x);
      NormArgs args = model.norm;
      args.epsilon = a.mla->norm_epsilon;
      state.q_latent = apply_norm(backend, args, layer.q_a_norm, state.q_latent);
    } else {
      state.q = apply_linear(backend, layer.q, x);
    }
    const DeviceTensor latent = apply_linear(backend, layer.kv_a, x);
    NormArgs args = model.norm;
    args.epsilon = a.mla->norm_epsilon;
    state.kv_latent = apply_norm(backend, args, layer.kv_a_norm, columns(backend, latent, 0, a.mla->kv_rank));
    state.shared_key = columns(backend, latent, a.mla->kv_rank, a.mla->rope_dim);
    return;
  }
  if (layer.qkv) {
    const DeviceTensor qkv = apply_linear(backend, layer.qkv, x);
    const size_t q_width = a.heads * a.head_dim, kv_width = a.kv_heads * a.head_dim;
    state.q = columns(backend, qkv, 0, q_width);
    state.k = columns(backend, qkv, q_width, kv_width);
    state.v = columns(backend, qkv, q_width + kv_width, kv_width);
  } else {
    state.q = apply_linear(backend, layer.q, x);
    state.k = apply_linear(backend, layer.k, x);
    state.v = apply_linear(backend, layer.v, x);
  }
  normalize_heads(backend, model, layer.q_norm, state.q);
  normalize_heads(backend, model, layer.k_norm, state.k);
  rotate(backend, model, layer, ropes, state, a.heads, a.head_dim, 0, state.q);
  rotate(backend, model, layer, ropes, state, a.kv_heads, a.head_dim, 0, state.k);
  attend(backend, model, layer, state);
}

void run_latent_up(Backend& backend, const ModelConfig& model, const Layer& layer,
                   std::span<const RopeTable> ropes, LayerState& state) {
  const AttentionConfig& a = model.attention;
  const MlaConfig& mla = *a.mla;
  if (layer.q_b) state.q = apply_linear(backend, layer.q_b, state.q_latent);
  const DeviceTensor expanded = apply_linear(backend, layer.kv_b, state.kv_latent);
  rotate(backend, model, layer, ropes, state, a.heads, a.head_dim, mla.nope_dim, state.q);
  rotate(backend, model, layer, ropes, state, 1, mla.rope_dim, 0, state.shared_key);
  const size_t tokens = expanded.rows, width = mla.nope_dim + a.value_dim;
  state.k = backend.allocate(DType::kF32, tokens, a.heads * a.head_dim);
  state.v = backend.allocate(DType::kF32, tokens, a.heads * a.value_dim);
  for (size_t h = 0; h < a.heads; ++h) {  // a key head: its own dimensions, then the shared rotated ones
    backend.copy_block(expanded, 0, h * width, tokens, mla.nope_dim, state.k, 0, h * a.head_dim);
    backend.copy_block(state.shared_key, 0, 0, tokens, mla.rope_dim, state.k, 0,
                       h * a.head_dim + mla.nope_dim);
    backend.copy_block(expanded, 0, h * width + mla.nope_dim, tokens, a.value_dim, state.v, 0,
                       h * a.value_dim);
  }
  state.q_latent = state.kv_latent = state.shared_key = {};
  attend(backend, model, layer, state);
}

}  // namespace tersor
