// Frequencies of rotary position embeddings, and the tables of cosines and sines that a back end reads.
#pragma once

#include <vector>

#include "tersor/modeling/config_reader.h"
#include "tersor/modeling/model_config.h"

namespace tersor {

struct RopeFrequencies {
  std::vector<double> frequencies;  // radians per position, [dim / 2]
  double attention_factor = 1;      // of cosines and sines
};

// `length` is the longest sequence that will be run: dynamic and longrope choose by it, once for the whole
// sequence, so that keys in a cache never belong to another choice.
RopeFrequencies rope_frequencies(const RopeConfig& rope, size_t length);

// On the device: cos and sin, f32 [length, dim / 2] each.
struct RopeTable {
  DeviceTensor cos;
  DeviceTensor sin;
};
RopeTable make_rope_table(Backend& backend, const RopeConfig& rope, size_t length);

// Reads `rope_parameters` (Transformers 5) or `rope_theta` with `rope_scaling` (before). `head_dim` is the
// width of which partial_rotary_factor is a part; `layer_type` picks one of several sets ("full_attention"),
// empty: there is one.
RopeConfig read_rope(const ConfigReader& config, size_t head_dim, const std::string& layer_type = "");

// DeepSeek's yarn also scales the scores: the square of 0.1 · mscale_all_dim · ln(factor) + 1.
double yarn_score_factor(const RopeConfig& rope);

}  // namespace tersor
