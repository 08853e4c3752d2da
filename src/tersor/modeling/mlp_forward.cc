// The second half of a layer: an MLP, or a router with experts.
#include <algorithm>
#include <map>

#include "tersor/modeling/layer_forward.h"

namespace tersor {
namespace {

// y = what `down` reads, of some rows.
void make_inner_rows(Backend& backend, const ModelConfig& model, const Mlp& mlp, const DeviceTensor& x,
                     const DeviceTensor& y) {
  const Activation activation = model.mlp.activation;
  if (mlp.gate_up) {
    const DeviceTensor both = apply_linear(backend, mlp.gate_up, x);
    const size_t width = both.cols / 2;
    const DeviceTensor up = backend.allocate(DType::kF32, x.rows, width);
    backend.copy_block(both, 0, 0, x.rows, width, y, 0, 0);
    backend.copy_block(both, 0, width, x.rows, width, up, 0, 0);
    backend.gated(activation, y, up, y);
    return;
  }
  if (!mlp.gate) {
    apply_linear(backend, mlp.up, x, y);
    backend.activate(activation, y, y);
    return;
  }
  const DeviceTensor up = apply_linear(backend, mlp.up, x);
  apply_linear(backend, mlp.gate, x, y);
  backend.gated(activation, y, up, y);
}

DeviceTensor mlp_inner(Backend& backend, const ModelConfig& model, const Mlp& mlp, const DeviceTensor& x) {
  const DeviceTensor inner = backend.allocate(DType::kF32, x.rows, mlp.down.weight->in);
  for (size_t begin = 0; begin < x.rows; begin += kMlpRows) {
    const size_t rows = std::min(kMlpRows, x.rows - begin);
    make_inner_rows(backend, model, mlp, x.sub_rows(begin, rows), inner.sub_rows(begin, rows));
  }
  return inner;
}

}  // namespace

DeviceTensor expert_input(Backend& backend, const ModelConfig& model, const Layer& layer, Stage stage,
                          size_t expert, const DeviceTensor& rows) {
  return stage == Stage::kMlpIn ? rows : mlp_inner(backend, model, layer.experts[expert], rows);
}

void begin_mlp(Backend& backend, const ModelConfig& model, const Layer& layer, LayerState& state) {
  state.routed.clear();
  if (!layer.config.moe) return;
  const RouteArgs& route = model.moe.route;
  const size_t tokens = state.mlp_input.rows;
  const DeviceTensor logits = apply_linear(backend, layer.router, state.mlp_input);
  const DeviceTensor experts = backend.allocate(DType::kI32, tokens, route.top_k);
  const DeviceTensor weights = backend.allocate(DType::kF32, tokens, route.top_k);
  backend.route(route, logits, layer.router_bias, experts, weights);

  // The choice is small: sorted by expert on the host.
  std::vector<int32_t> chosen(experts.size());
  std::vector<float> chosen_weights(weights.size());
  backend.copy_out(experts, chosen.data());
  backend.copy_out(weights, chosen_weights.data());
  std::map<int32_t, std::vector<size_t>> places;
  for (size_t i = 0; i < chosen.size(); ++i) places[chosen[i]].push_back(i);
  for (const auto& [expert, indices] : places) {
    LayerState::ExpertRows rows;
    rows.expert = static_cast<size_t>(expert);
    std::vector<float> row_weights;
    for (size_t i : indices) {
      rows.rows.push_back(static_cast<int32_t>(i / route.top_k));
      row_weights.push_back(chosen_weights[i]);
    }
    rows.row_ids = backend.allocate(DType::kI32, 1, indices.size());
    rows.weights = backend.allocate(DType::kF32, 1, indices.size());
    rows.input = backend.allocate(DType::kF32, indices.size(), state.mlp_input.cols);
    backend.copy_in(rows.row_ids, rows.rows.data());
    backend.copy_in(rows.weights, row_weights.data());
    backend.gather_rows(state.mlp_input, rows.row_ids, rows.input);
    state.routed.push_back(std::move(rows));
  }
}

void run_mlp_in(Backend& backend, const ModelConfig& model, const Layer& layer, LayerState& state) {
  if (layer.mlp) state.mlp_inner = mlp_inner(backend, model, layer.mlp, state.mlp_input);
  if (layer.shared) state.shared_inner = mlp_inner(backend, model, layer.shared, state.mlp_input);
  for (LayerState::ExpertRows& rows : state.routed) {
    rows.inner = mlp_inner(backend, model, layer.experts[rows.expert], rows.input);
    rows.input = {};
  }
  // The gate of shared experts and what looks at experts read it in the next stage too.
  if (layer.experts.empty() && !layer.shared_gate) state.mlp_input = {};
}

DeviceTensor run_mlp_out(Backend& backend, const ModelConfig& model, const Layer& layer, LayerState& state) {
  DeviceTensor out;
  if (layer.mlp) {
    out = apply_linear(backend, layer.mlp.down, state.mlp_inner);
  } else {
    out = backend.allocate(DType::kF32, state.hidden.rows, model.hidden);
    backend.fill_zero(out);
  }
  for (const LayerState::ExpertRows& rows : state.routed) {
    const DeviceTensor y = apply_linear(backend, layer.experts[rows.expert].down, rows.inner);
    backend.scatter_add_rows(y, rows.row_ids, rows.weights, out);
  }
  if (layer.shared) {
    const DeviceTensor y = apply_linear(backend, layer.shared.down, state.shared_inner);
    if (layer.shared_gate) {
      backend.sigmoid_scale_rows(apply_linear(backend, layer.shared_gate, state.mlp_input), y);
    }
    backend.add(out, 1.0f, y, out);
  }
  state.mlp_input = state.mlp_inner = state.shared_inner = {};
  state.routed.clear();
  return out;
}

}  // namespace tersor
