#include "tersor/modeling/layer_forward.h"

namespace tersor {
namespace {

// hidden += residual_multiplier · norm(x).
void add_to_residual(Backend& backend, const ModelConfig& model, const Norm& norm, const DeviceTensor& x,
                     LayerState& state) {
  const DeviceTensor update = apply_norm(backend, model.norm, norm, x);
  backend.add(state.hidden, model.residual_multiplier, update, state.hidden);
}

void add_linears(std::initializer_list<Linear*> linears, LinearGroup& group) {
  for (Linear* linear : linears) {
    if (*linear) group.linears.push_back(linear);
  }
}

void add_mlp_groups(Layer& layer, bool in, const LayerState& state, std::vector<LinearGroup>& groups) {
  const auto group = [&](Mlp& mlp, const DeviceTensor& input, int expert) {
    if (!mlp) return;
    LinearGroup g{input, {}, expert};
    if (in) {
      add_linears({&mlp.gate, &mlp.up, &mlp.gate_up}, g);
    } else {
      add_linears({&mlp.down}, g);
    }
    groups.push_back(std::move(g));
  };
  group(layer.mlp, in ? state.mlp_input : state.mlp_inner, -1);
  group(layer.shared, in ? state.mlp_input : state.shared_inner, -1);
  for (const LayerState::ExpertRows& rows : state.routed) {
    group(layer.experts[rows.expert], in ? rows.input : rows.inner, static_cast<int>(rows.expert));
  }
}

}  // namespace

void apply_linear(Backend& backend, const Linear& linear, const DeviceTensor& x, const DeviceTensor& y) {
  if (!linear.input_quant) return backend.matmul(x, *linear.weight, linear.bias, y);
  const DeviceTensor quantized = backend.allocate(DType::kF32, x.rows, x.cols);
  backend.fake_quantize(*linear.input_quant, x, quantized);
  backend.matmul(quantized, *linear.weight, linear.bias, y);
}

DeviceTensor apply_linear(Backend& backend, const Linear& linear, const DeviceTensor& x) {
  const DeviceTensor y = backend.allocate(DType::kF32, x.rows, linear.weight->out);
  apply_linear(backend, linear, x, y);
  return y;
}

DeviceTensor apply_norm(Backend& backend, const NormArgs& args, const Norm& norm, const DeviceTensor& x) {
  if (!norm) return x;
  const DeviceTensor y = backend.allocate(DType::kF32, x.rows, x.cols);
  backend.norm(args, x, norm.weight, norm.bias, y);
  return y;
}

std::vector<Stage> layer_stages(const ModelConfig& model, const Layer& /*layer*/) {
  std::vector<Stage> stages = {Stage::kAttentionIn};
  if (model.attention.mla) stages.push_back(Stage::kLatentUp);
  stages.insert(stages.end(), {Stage::kAttentionOut, Stage::kMlpIn, Stage::kMlpOut});
  return stages;
}

void begin_layer(Backend& backend, const ModelConfig& model, const Layer& layer, LayerState& state) {
  state.routed.clear();
  state.attention_input = apply_norm(backend, model.norm, layer.attention_norm, state.hidden);
}

std::vector<LinearGroup> stage_groups(Layer& layer, Stage stage, const LayerState& state) {
  std::vector<LinearGroup> groups;
  switch (stage) {
    case Stage::kAttentionIn:
      groups.push_back({state.attention_input, {}, -1});
      add_linears({&layer.q, &layer.k, &layer.v, &layer.qkv, &layer.q_a, &layer.kv_a}, groups[0]);
      break;
    case Stage::kLatentUp:
      if (layer.q_b) groups.push_back({state.q_latent, {&layer.q_b}, -1});
      groups.push_back({state.kv_latent, {&layer.kv_b}, -1});
      break;
    case Stage::kAttentionOut:
      groups.push_back({state.attention_output, {&layer.o}, -1});
      break;
    case Stage::kMlpIn:
    case Stage::kMlpOut:
      add_mlp_groups(layer, stage == Stage::kMlpIn, state, groups);
      break;
  }
  return groups;
}

void run_stage(Backend& backend, const ModelConfig& model, const Layer& layer, Stage stage,
               std::span<const RopeTable> ropes, LayerState& state) {
  switch (stage) {
    case Stage::kAttentionIn:
      run_attention_in(backend, model, layer, ropes, state);
      if (!model.parallel) state.attention_input = {};
      break;
    case Stage::kLatentUp:
      run_latent_up(backend, model, layer, ropes, state);
      break;
    case Stage::kAttentionOut: {
      const DeviceTensor out = apply_linear(backend, layer.o, state.attention_output);
      add_to_residual(backend, model, layer.attention_post_norm, out, state);
      state.attention_output = {};
      // In a parallel block the MLP reads what the attention read.
      state.mlp_input = model.parallel ? state.attention_input
                                       : apply_norm(backend, model.norm, layer.mlp_norm, state.hidden);
      state.attention_input = {};
      begin_mlp(backend, model, layer, state);
      break;
    }
    case Stage::kMlpIn:
      run_mlp_in(backend, model, layer, state);
      break;
    case Stage::kMlpOut: {
      const DeviceTensor out = run_mlp_out(backend, model, layer, state);
      add_to_residual(backend, model, layer.mlp_post_norm, out, state);
      break;
    }
  }
}

void run_layer(Backend& backend, const ModelConfig& model, const Layer& layer,
               std::span<const RopeTable> ropes, LayerState& state) {
  begin_layer(backend, model, layer, state);
  for (Stage stage : layer_stages(model, layer)) run_stage(backend, model, layer, stage, ropes, state);
}

}  // namespace tersor
