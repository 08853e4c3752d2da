// Which activations of a state a stage reads: those that wait in another dtype must be f32 by then.
#pragma once

#include <vector>

#include "tersor/modeling/layer_forward.h"

namespace tersor {

// Activations of a state, by address; absent ones may be among them, and are empty.
using Activations = std::vector<DeviceTensor*>;

// All, in a fixed order. What the router said (row ids and weights) is none.
Activations all_activations(LayerState& state);
// What a look at a stage's inputs reads: that of its linears, and of a mixture what experts make it from.
Activations inputs_of_stage(Stage stage, LayerState& state);
// What run_stage() reads.
Activations read_by_stage(const ModelConfig& model, Stage stage, LayerState& state);

// Those in f32, where they are not.
void widen(Backend& backend, const Activations& activations);
// x in `dtype`, F32 or BF16: x itself where it is that already.
DeviceTensor in_dtype(Backend& backend, const DeviceTensor& x, DType dtype);

}  // namespace tersor
