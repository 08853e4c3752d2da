#include "tersor/modeling/stage_activations.h"

namespace tersor {

Activations all_activations(LayerState& s) {
  Activations all = {&s.hidden, &s.attention_input,  &s.q_latent,  &s.kv_latent, &s.shared_key,  &s.q, &s.k,
                     &s.v,      &s.attention_output, &s.mlp_input, &s.mlp_inner, &s.shared_inner};
  for (LayerState::ExpertRows& rows : s.routed) all.insert(all.end(), {&rows.input, &rows.inner});
  return all;
}

Activations inputs_of_stage(Stage stage, LayerState& s) {
  Activations inputs;
  switch (stage) {
    case Stage::kAttentionIn:
      return {&s.attention_input};
    case Stage::kLatentUp:
      return {&s.q_latent, &s.kv_latent};
    case Stage::kAttentionOut:
      return {&s.attention_output};
    case Stage::kMlpIn:
      inputs = {&s.mlp_input};
      for (LayerState::ExpertRows& rows : s.routed) inputs.push_back(&rows.input);
      break;
    case Stage::kMlpOut:
      inputs = {&s.mlp_input, &s.mlp_inner, &s.shared_inner};
      for (LayerState::ExpertRows& rows : s.routed) inputs.push_back(&rows.inner);
      break;
  }
  return inputs;
}

Activations read_by_stage(const ModelConfig& model, Stage stage, LayerState& s) {
  Activations read = inputs_of_stage(stage, s);
  switch (stage) {
    case Stage::kLatentUp:
      read.insert(read.end(), {&s.q, &s.shared_key});
      break;
    case Stage::kAttentionOut:
      read.push_back(&s.hidden);
      if (model.parallel) read.push_back(&s.attention_input);
      break;
    case Stage::kMlpOut:
      read.push_back(&s.hidden);
      break;
    case Stage::kAttentionIn:
    case Stage::kMlpIn:
      break;
  }
  return read;
}

void widen(Backend& backend, const Activations& activations) {
  for (DeviceTensor* x : activations) {
    if (*x) *x = in_dtype(backend, *x, DType::kF32);
  }
}

DeviceTensor in_dtype(Backend& backend, const DeviceTensor& x, DType dtype) {
  if (x.dtype == dtype) return x;
  const DeviceTensor converted = backend.allocate(dtype, x.rows, x.cols);
  backend.convert(x, converted);
  return converted;
}

}  // namespace tersor
