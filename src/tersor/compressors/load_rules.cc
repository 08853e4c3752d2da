// The table of load rules, one row each, and the check of a plan against it.
//
// Read from vLLM 0.32.0 (model_executor/layers/quantization/compressed_tensors, kernels/linear,
// layers/fused_moe), Transformers 5.17.0 (quantizers, integrations, conversion_mapping) and
// compressed-tensors 0.19.0. When a reader's version moves, each row is read again.
#include "tersor/compressors/load_rules.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/compressors/load_rule.h"
#include "tersor/compressors/load_view.h"

namespace tersor {
namespace {

constexpr Reader kReaders[] = {{"vLLM", "0.32.0"}, {"Transformers", "5.17.0"}};
constexpr std::string_view kCompressedTensors = "0.19.0";

constexpr auto kV = RuleReader::kVllm;
constexpr auto kT = RuleReader::kTransformers;
constexpr auto kE = RuleReader::kEvery;
constexpr bool kFatal = true;
constexpr bool kNote = false;

// id, reader, fatal, what the reader demands (and what happens otherwise), fix, check.
constexpr LoadRule kRules[] = {
    // What the checkpoint holds.
    {"model-type", kE, kFatal, "config.json has a `model_type` (Unrecognized model)",
     "the original config.json", check_model_type},
    {"architectures", kE, kFatal, "config.json's `architectures` is a list of names",
     "the original config.json", check_architectures},
    {"config-counts", kE, kFatal, "config.json gives at least one layer, one head, one hidden channel",
     "the original config.json", check_config_counts},
    {"config-sizes", kE, kFatal, "weights have the sizes that config.json says (size mismatch)",
     "config.json and weights of one checkpoint", check_config_sizes},
    {"layers-complete", kE, kFatal,
     "a layer has the weights that its like has: q, k, v, gate and up together (random numbers otherwise)",
     "a complete download", check_layers_complete},
    {"layer-count", kE, kFatal, "there are as many layers as config.json says (random numbers otherwise)",
     "a complete download", check_layer_count},
    {"weight-dimensions", kE, kFatal,
     "weights are matrices where those of other layers are (random numbers otherwise)", "a complete download",
     check_weight_dimensions},
    {"input-embedding", kE, kFatal, "there is an input embedding (random numbers otherwise)",
     "a complete download", check_input_embedding},
    {"output-head", kE, kFatal,
     "there is an lm_head where `tie_word_embeddings` is false (random numbers otherwise)",
     "a complete download, or `tie_word_embeddings: true`", check_output_head},

    // Schemes and formats.
    {"actorder-group", kE, kFatal, "`actorder` is null, `static` or `weight`; `group` was removed",
     "`actorder: static`", check_group_actorder},
    {"group-without-weights", kV, kFatal, "every group but one for Attention has `weights`",
     "`ignore` instead of a group", check_group_without_weights},
    {"int-weight-only-format", kV, kFatal,
     "int weights without input_activations are pack-quantized (a bare AssertionError otherwise)",
     "no `format` in the recipe", check_int_weight_only_format},
    {"linear-scheme", kV, kFatal,
     "a scheme exists for weights, activations and format (No compressed-tensors compatible scheme was "
     "found)",
     "another `format` or preset", check_linear_scheme},
    {"format-tensors", kV, kFatal, "the format's tensors are those that the scheme reads",
     "no `format` in the recipe", check_format_tensors},
    {"int-bits", kV, kFatal,
     "packed ints have 2 to 8 bits; 2, 4 or 8 with static int8 activations in and out", "`num_bits`",
     check_int_bits},
    {"w4afp8-group", kV, kFatal, "int4 weights with FP8 activations have groups of 128", "`--group-size 128`",
     check_w4afp8_group},
    {"fp8-block-input", kV, kFatal, "FP8 weights in blocks have dynamic activations", "`--scheme FP8_BLOCK`",
     check_fp8_block_input},
    {"fp8-block-square", kV, kFatal, "FP8 blocks are square where activations are quantized, too",
     "`--block-structure N,N`", check_fp8_block_square},

    // Sizes.
    {"group-divides-columns", kE, kFatal, "the group size divides the columns",
     "`--group-size N` or `--ignore`", check_group_divides_columns},
    {"float-group-divides-columns", kE, kFatal,
     "16 (NVFP4) or 32 (MXFP4, MXFP8) divides the columns, on each rank as well", "`--ignore`",
     check_float_group_divides_columns},
    {"group-divides-rank", kV, kFatal,
     "with tensor parallelism the group size divides the columns that one rank holds of o_proj, down_proj "
     "and their like",
     "`--group-size N` or `--tp N`", check_group_divides_rank},
    {"rank-divides-heads", kV, kFatal, "the number of ranks divides the attention heads", "`--tp N`",
     check_rank_divides_heads},
    {"rank-divides-kv-heads", kV, kFatal, "the ranks divide the key/value heads, or the other way round",
     "`--tp N`", check_rank_divides_kv_heads},
    {"rank-divides-sides", kV, kFatal, "the number of ranks divides the side of a weight that is split",
     "`--tp N`", check_rank_divides_sides},
    {"packed-words-per-rank", kV, kFatal, "the packed columns that one rank holds fill whole 32-bit words",
     "`--tp N`", check_packed_words_per_rank},
    {"zero-point-words", kV, kFatal,
     "the packed zero points of a stacked or split matrix fill whole words: rows × bits divide by 32 (no "
     "error otherwise: "
     "wrong zero points)",
     "symmetric weights or `--ignore`", check_zero_point_words},
    {"fp8-block-fused-rows", kV, kFatal,
     "the block's rows divide those of every stacked matrix but the last (q, k; gate)",
     "`--block-structure N,N` or `--scheme FP8_DYNAMIC`", check_fp8_block_fused_rows},
    {"fp8-block-per-rank", kV, kFatal, "with tensor parallelism blocks divide the sides that one rank holds",
     "`--block-structure N,N` or `--tp N`", check_fp8_block_per_rank},
    {"fp8-block-columns", kV, kFatal,
     "the block's rows, which are vLLM's activation groups, divide the columns (an assertion in the first "
     "forward pass)",
     "`--block-structure N,N` or `--scheme FP8_DYNAMIC`", check_fp8_block_columns},
    {"activation-groups", kT, kFatal,
     "the group size of input_activations divides the columns (ValueError in forward)",
     "`--block-structure N,N` or `--ignore`", check_activation_groups},

    // Stacked matrices.
    {"fused-partly-quantized", kV, kFatal,
     "q, k, v (gate, up; …) are quantized all or none (Found different quantization schemes for the shards "
     "of …)",
     "`--ignore` all members", check_fused_partly_quantized},
    {"fused-schemes-differ", kV, kFatal, "q, k, v (gate, up; …) have one scheme", "one group for all members",
     check_fused_schemes_differ},
    {"target-order", kV, kFatal,
     "the first target of the config that matches leads to the scheme that is stored (vLLM does not put "
     "exact names first)",
     "disjoint targets", check_fused_target_order},
    {"fused-fp8-tensor-scales", kV, kNote,
     "per-tensor FP8 weights that are stacked are quantized again with one scale", "`--scheme FP8_DYNAMIC`",
     check_fused_fp8_tensor_scales},
    {"fused-static-int8", kV, kNote, "static int8 activations have one input_scale per stacked matrix",
     "`--scheme W8A8`", check_fused_static_int8},

    // Mixtures of experts.
    {"expert-scheme", kV, kFatal,
     "an implementation of experts exists for the scheme (Unsupported FusedMoe scheme)",
     "another preset for the experts", check_expert_scheme},
    {"expert-projections", kV, kFatal, "the projections of expert 0 have one scheme",
     "one group for all experts", check_expert_projections},
    {"first-expert", kV, kFatal,
     "all experts of a layer are quantized like expert 0, the only one that is looked at",
     "one group for all experts", check_first_expert},
    {"expert-words", kV, kFatal,
     "packed rows (and columns of zero points) of experts fill whole 32-bit words", "`--ignore` the experts",
     check_expert_words},
    {"expert-blocks", kV, kFatal, "FP8 blocks divide the intermediate size of experts, on each rank",
     "`--block-structure N,N`", check_expert_blocks},
    {"expert-w4afp8", kV, kFatal, "int4 experts with FP8 activations: groups of 128, sizes that 256 divides",
     "another preset for the experts", check_expert_w4afp8},
    {"expert-marlin", kV, kNote,
     "fast packed experts: 4 bits, or symmetric 8; groups of 32, 64, 128 or channels; a hidden size that 128 "
     "divides",
     "`--group-size`", check_expert_marlin},
    {"transformers-expert-scheme", kT, kFatal,
     "experts that are stacked while loading are FP8 per tensor or channel, symmetric pack-quantized, or "
     "MXFP4; those of "
     "gpt_oss, llama4_text, … are not quantized one by one",
     "`--scheme W4A16`, `--scheme FP8_DYNAMIC` or `--ignore` the experts", check_transformers_expert_scheme},
    {"transformers-unquantized-experts", kT, kFatal,
     "experts are quantized, or the config has an FP8 group for them to be taken by (they stay random "
     "otherwise)",
     "quantize the experts, or `--scheme FP8_DYNAMIC`", check_transformers_unquantized_experts},
    {"transformers-expert-group", kT, kFatal,
     "all experts have the scheme of the first group with an `experts` pattern, or else with a class target",
     "one group for all experts", check_transformers_expert_group},

    // Names.
    {"lm-head-target", kV, kFatal,
     "a quantized lm_head is named by a target; `Linear` does not include it (no parameter named "
     "lm_head.weight_packed)",
     "`--ignore lm_head`, or target `re:.*lm_head`", check_lm_head_target},
    {"tied-lm-head", kT, kFatal,
     "an lm_head that shares the embedding's weight is in `ignore` when a target includes it",
     "`--ignore lm_head`", check_tied_lm_head},
    {"embedding-scheme", kV, kFatal, "embeddings are weight-only symmetric ints of 2, 4 or 8 bits",
     "`--ignore` the embedding", check_embedding_scheme},
    {"embedding-quantized", kT, kFatal, "embeddings are not quantized (AttributeError in forward)",
     "`--ignore` the embedding", check_embedding_transformers},
    {"unquantized-not-ignored", kV, kFatal,
     "a linear that is stored unquantized and that a target matches is in `ignore` by name or pattern; class "
     "names do not "
     "count",
     "`--ignore`", check_unquantized_not_ignored},
    {"fused-name-ignored", kV, kFatal,
     "no entry of `ignore` matches qkv_proj, gate_up_proj, … while their members are "
     "quantized",
     "patterns that end in `$`", check_fused_name_ignored},
    {"attention-group", kV, kFatal,
     "a group of weights has several targets, or one that does not end in `Attention`", "another pattern",
     check_attention_group},
    {"prefix-patterns", kV, kNote,
     "patterns for models of several parts do not depend on the front of names, which vLLM changes",
     "`re:.*…`", check_prefix_patterns},

    // The KV cache and devices.
    {"kv-cache-scheme", kV, kFatal, "the KV cache is FP8, symmetric, per tensor or head",
     "`--kv-cache-scheme fp8`", check_kv_cache_scheme},
    {"one-capability", kV, kNote, "int4 weights with FP8 activations load on compute capability 9.0 only",
     "`--scheme W4A16`", check_one_capability},
    {"fp8-activations", kV, kNote,
     "FP8 activations need compute capability 8.9; below, weights alone are FP8", "", check_fp8_activations},
    {"humming-only", kV, kNote,
     "2, 3, 5, 6 and 7 bits, and packed ints with int activations, need the optional Humming kernels",
     "`--scheme W4A16` or `--scheme W8A8`", check_humming_only},
    {"asymmetric-int8", kV, kNote, "asymmetric 8-bit weights have kernels in Machete, Conch and Humming only",
     "`--scheme W8A16`", check_asymmetric_int8},
    {"rare-group-size", kV, kNote, "groups other than 32, 64, 128 and channels have few kernels",
     "`--group-size N`", check_rare_group_size},
    {"rare-block", kV, kNote,
     "FP8 blocks other than 128x128 need `--linear-backend triton` on NVIDIA GPUs (an AssertionError "
     "otherwise)",
     "`--linear-backend triton` for vLLM", check_rare_block},
    {"w4afp8-tiles", kV, kNote, "int4 weights with FP8 activations: rows and columns in multiples of 128",
     "`--scheme W4A16`", check_w4afp8_tiles},
};

std::string reader_name(RuleReader reader) {
  switch (reader) {
    case RuleReader::kVllm:
      return fmt::format("{} {}", kReaders[0].name, kReaders[0].version);
    case RuleReader::kTransformers:
      return fmt::format("{} {} (compressed-tensors {})", kReaders[1].name, kReaders[1].version,
                         kCompressedTensors);
    case RuleReader::kEvery:
      break;
  }
  return "every reader";
}

// Those of `candidates` that divide all, in their order.
std::vector<int64_t> dividing(std::initializer_list<int64_t> candidates, std::span<const uint64_t> sizes) {
  std::vector<int64_t> fits;
  for (const int64_t candidate : candidates) {
    if (std::ranges::all_of(sizes, [&](uint64_t n) { return n % static_cast<uint64_t>(candidate) == 0; }))
      fits.push_back(candidate);
  }
  return fits;
}

}  // namespace

std::span<const Reader> known_readers() { return kReaders; }

std::vector<LoadIssue> check_load_rules(const LoadContext& context) {
  const LoadView view(context);
  std::vector<LoadIssue> issues;
  for (const LoadRule& rule : kRules) {
    for (Breach& breach : rule.check(view)) {
      LoadIssue issue{
          std::string(rule.id), reader_name(rule.reader), rule.fatal, std::move(breach.message), {},
          std::move(breach.fix)};
      issue.modules.reserve(breach.modules.size());
      for (const int32_t i : breach.modules)
        issue.modules.push_back(view.modules[static_cast<size_t>(i)].module->name);
      issues.push_back(std::move(issue));
    }
  }
  return issues;
}

std::vector<Reader> readers_that_load(std::span<const LoadIssue> issues) {
  std::vector<Reader> readers;
  for (const Reader& reader : kReaders) {
    const bool refused = std::ranges::any_of(issues, [&](const LoadIssue& issue) {
      return issue.fatal && (issue.reader == "every reader" || issue.reader.starts_with(reader.name));
    });
    if (!refused) readers.push_back(reader);
  }
  return readers;
}

std::vector<int64_t> dividing_group_sizes(std::span<const uint64_t> ins) {
  return dividing({128, 64, 32, 256, 16}, ins);
}

std::vector<int64_t> dividing_block_sizes(std::span<const uint64_t> sizes) {
  return dividing({128, 64, 32, 16}, sizes);
}

std::vector<std::string> load_rule_rows() {
  std::vector<std::string> rows;
  for (const LoadRule& rule : kRules) {
    rows.push_back(fmt::format("| `{}` | {} | {} | {} | {} |", rule.id, reader_name(rule.reader),
                               rule.fatal ? "yes" : "no", rule.what, rule.fix));
  }
  return rows;
}

}  // namespace tersor
