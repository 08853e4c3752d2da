// What a row of the table of load rules is made of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/compressors/load_view.h"

namespace tersor {

enum class RuleReader { kVllm, kTransformers, kEvery };

// One way in which a result breaks a rule.
struct Breach {
  std::string message;
  std::vector<int32_t> modules;  // indices into LoadView::modules; empty: the config as a whole
  std::string fix;
};

using RuleCheck = std::vector<Breach> (*)(const LoadView&);

struct LoadRule {
  std::string_view id;
  RuleReader reader;
  bool fatal;
  std::string_view what;  // for docs/load-rules.md: what the reader demands, and what happens otherwise
  std::string_view fix;   // for docs/load-rules.md
  RuleCheck check;
};

// load_rules_schemes.cc: which schemes and formats a reader knows.
std::vector<Breach> check_group_actorder(const LoadView& view);
std::vector<Breach> check_group_without_weights(const LoadView& view);
std::vector<Breach> check_int_weight_only_format(const LoadView& view);
std::vector<Breach> check_linear_scheme(const LoadView& view);
std::vector<Breach> check_format_tensors(const LoadView& view);
std::vector<Breach> check_int_bits(const LoadView& view);
std::vector<Breach> check_w4afp8_group(const LoadView& view);
std::vector<Breach> check_fp8_block_input(const LoadView& view);
std::vector<Breach> check_fp8_block_square(const LoadView& view);

// load_rules_shapes.cc: what must divide what.
std::vector<Breach> check_group_divides_columns(const LoadView& view);
std::vector<Breach> check_float_group_divides_columns(const LoadView& view);
std::vector<Breach> check_group_divides_rank(const LoadView& view);
std::vector<Breach> check_rank_divides_heads(const LoadView& view);
std::vector<Breach> check_rank_divides_kv_heads(const LoadView& view);
std::vector<Breach> check_rank_divides_sides(const LoadView& view);
std::vector<Breach> check_packed_words_per_rank(const LoadView& view);
std::vector<Breach> check_zero_point_words(const LoadView& view);
std::vector<Breach> check_fp8_block_fused_rows(const LoadView& view);
std::vector<Breach> check_fp8_block_per_rank(const LoadView& view);
std::vector<Breach> check_fp8_block_columns(const LoadView& view);
std::vector<Breach> check_activation_groups(const LoadView& view);

// load_rules_fused.cc: what engines stack into one matrix.
std::vector<Breach> check_fused_partly_quantized(const LoadView& view);
std::vector<Breach> check_fused_schemes_differ(const LoadView& view);
std::vector<Breach> check_fused_target_order(const LoadView& view);
std::vector<Breach> check_fused_fp8_tensor_scales(const LoadView& view);
std::vector<Breach> check_fused_static_int8(const LoadView& view);

// load_rules_experts.cc: mixtures of experts.
std::vector<Breach> check_expert_scheme(const LoadView& view);
std::vector<Breach> check_expert_projections(const LoadView& view);
std::vector<Breach> check_first_expert(const LoadView& view);
std::vector<Breach> check_expert_words(const LoadView& view);
std::vector<Breach> check_expert_blocks(const LoadView& view);
std::vector<Breach> check_expert_w4afp8(const LoadView& view);
std::vector<Breach> check_expert_marlin(const LoadView& view);
std::vector<Breach> check_transformers_expert_scheme(const LoadView& view);
std::vector<Breach> check_transformers_unquantized_experts(const LoadView& view);
std::vector<Breach> check_transformers_expert_group(const LoadView& view);

// load_rules_names.cc: targets, ignore, lm_head, embeddings.
std::vector<Breach> check_lm_head_target(const LoadView& view);
std::vector<Breach> check_tied_lm_head(const LoadView& view);
std::vector<Breach> check_embedding_scheme(const LoadView& view);
std::vector<Breach> check_embedding_transformers(const LoadView& view);
std::vector<Breach> check_unquantized_not_ignored(const LoadView& view);
std::vector<Breach> check_fused_name_ignored(const LoadView& view);
std::vector<Breach> check_attention_group(const LoadView& view);
std::vector<Breach> check_prefix_patterns(const LoadView& view);

// load_rules_complete.cc: what a checkpoint must hold.
std::vector<Breach> check_model_type(const LoadView& view);
std::vector<Breach> check_layers_complete(const LoadView& view);
std::vector<Breach> check_layer_count(const LoadView& view);
std::vector<Breach> check_weight_dimensions(const LoadView& view);
std::vector<Breach> check_input_embedding(const LoadView& view);
std::vector<Breach> check_output_head(const LoadView& view);

// load_rules_config.cc: what config.json says of itself and of the weights' sizes.
std::vector<Breach> check_architectures(const LoadView& view);
std::vector<Breach> check_config_counts(const LoadView& view);
std::vector<Breach> check_config_sizes(const LoadView& view);

// load_rules_devices.cc: the KV cache, and what only some devices or flags do.
std::vector<Breach> check_kv_cache_scheme(const LoadView& view);
std::vector<Breach> check_one_capability(const LoadView& view);
std::vector<Breach> check_fp8_activations(const LoadView& view);
std::vector<Breach> check_humming_only(const LoadView& view);
std::vector<Breach> check_asymmetric_int8(const LoadView& view);
std::vector<Breach> check_rare_group_size(const LoadView& view);
std::vector<Breach> check_rare_block(const LoadView& view);
std::vector<Breach> check_w4afp8_tiles(const LoadView& view);

}  // namespace tersor
