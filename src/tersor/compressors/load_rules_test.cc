// One test per rule of the table: a result that breaks it, and one that does not.
#include "tersor/compressors/load_rules.h"

#include <algorithm>
#include <deque>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tersor {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

QuantizationScheme preset(const std::string& name, std::vector<std::string> targets = {"Linear"}) {
  QuantizationScheme scheme = *preset_scheme(name);
  scheme.targets = std::move(targets);
  return scheme;
}

QuantizationScheme grouped(const std::string& name, int64_t group_size,
                           std::vector<std::string> targets = {"Linear"}) {
  QuantizationScheme scheme = preset(name, std::move(targets));
  scheme.weights->group_size = group_size;
  return scheme;
}

QuantizationScheme blocks(int64_t rows, int64_t columns) {
  QuantizationScheme scheme = preset("FP8_BLOCK");
  scheme.weights->block_structure = {rows, columns};
  scheme.input_activations->group_size = columns;
  return scheme;
}

// The last part of a name or the whole name.
bool is_named(const std::string& name, const std::string& part) {
  return name == part || name.ends_with("." + part);
}

// A checkpoint of a transformer, to be quantized and then broken in one way.
struct Result {
  struct Sizes {
    uint64_t hidden = 512, intermediate = 1024, heads = 8, kv_heads = 4, head_dim = 64, layers = 2,
             vocab = 1000;
    uint64_t experts = 0;
    bool tied = false;
    std::string model_type = "llama";
  };
  Sizes sizes;
  std::deque<QuantizationScheme> groups;  // stable addresses
  LoadContext context;
  Json config;
  std::vector<QuantizationScheme> in_order;

  Result() : Result(Sizes()) {}
  explicit Result(Sizes s) : sizes(std::move(s)) {
    config = Json{{"num_attention_heads", sizes.heads},
                  {"num_key_value_heads", sizes.kv_heads},
                  {"tie_word_embeddings", sizes.tied},
                  {"model_type", sizes.model_type}};
    add("model.embed_tokens", sizes.vocab, sizes.hidden);
    for (uint64_t layer = 0; layer < sizes.layers; ++layer) {
      const std::string attention = fmt::format("model.layers.{}.self_attn.", layer);
      const std::string mlp = fmt::format("model.layers.{}.mlp.", layer);
      add(attention + "q_proj", sizes.heads * sizes.head_dim, sizes.hidden);
      add(attention + "k_proj", sizes.kv_heads * sizes.head_dim, sizes.hidden);
      add(attention + "v_proj", sizes.kv_heads * sizes.head_dim, sizes.hidden);
      add(attention + "o_proj", sizes.hidden, sizes.heads * sizes.head_dim);
      std::vector<std::string> parts = {mlp};
      if (sizes.experts > 0) {
        parts.clear();
        add(mlp + "gate", sizes.experts, sizes.hidden);
        for (uint64_t e = 0; e < sizes.experts; ++e) parts.push_back(fmt::format("{}experts.{}.", mlp, e));
      }
      for (const std::string& part : parts) {
        add(part + "gate_proj", sizes.intermediate, sizes.hidden);
        add(part + "up_proj", sizes.intermediate, sizes.hidden);
        add(part + "down_proj", sizes.hidden, sizes.intermediate);
      }
    }
    add("lm_head", sizes.vocab, sizes.hidden);
  }

  void add(const std::string& name, uint64_t out, uint64_t in) {
    LoadableModule& module = context.modules.emplace_back();
    module.name = name;
    module.out = out;
    module.in = in;
    if (name == "lm_head" || is_named(name, "gate")) context.ignore.push_back(name);
  }

  // Gives the scheme to every module whose name contains `part`, but embeddings, routers and lm_head.
  Result& quantize(const QuantizationScheme& scheme, const std::string& part = "_proj") {
    const QuantizationScheme& group = groups.emplace_back(scheme);
    for (LoadableModule& m : context.modules) {
      if (m.name.find(part) == std::string::npos) continue;
      m.scheme = &group;
      m.matched_target = group.targets.empty() ? "" : group.targets[0];
      std::erase(context.ignore, m.name);
    }
    return *this;
  }

  // Stores the modules whose name contains `part` unquantized, and says so in `ignore`.
  Result& leave(const std::string& part, bool say_so = true) {
    for (LoadableModule& m : context.modules) {
      if (m.name.find(part) == std::string::npos) continue;
      m.scheme = nullptr;
      if (say_so) context.ignore.push_back(m.name);
    }
    return *this;
  }

  Result& ranks(uint64_t n) {
    context.tensor_parallel = n;
    return *this;
  }

  std::vector<LoadIssue> issues() {
    context.config = &config;
    // As config.json has them: one vector, to which the modules refer.
    in_order.assign(groups.begin(), groups.end());
    for (LoadableModule& m : context.modules) {
      for (size_t g = 0; g < groups.size(); ++g)
        if (m.scheme == &groups[g]) m.scheme = &in_order[g];
    }
    context.groups = in_order;
    return check_load_rules(context);
  }
};

Result::Sizes smollm2() {
  return {.hidden = 576,
          .intermediate = 1536,
          .heads = 9,
          .kv_heads = 3,
          .layers = 30,
          .vocab = 49152,
          .tied = true};
}
Result::Sizes mixture(const std::string& model_type = "qwen3_moe") {
  return {.hidden = 512, .intermediate = 256, .experts = 4, .model_type = model_type};
}

std::set<std::string> fatal_rules(Result& result) {
  std::set<std::string> rules;
  for (const LoadIssue& issue : result.issues())
    if (issue.fatal) rules.insert(issue.rule);
  return rules;
}

// The issue of one rule; an empty one when it is not broken.
LoadIssue issue_of(Result& result, const std::string& rule) {
  for (LoadIssue& issue : result.issues())
    if (issue.rule == rule) return issue;
  return {};
}

bool breaks(Result& result, const std::string& rule) { return issue_of(result, rule).rule == rule; }

TEST(LoadRules, EveryPresetThatReadersTakeIsTaken) {
  for (const char* name :
       {"W4A16", "W4A16_ASYM", "W8A16", "W8A8", "W4A8", "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "NVFP4",
        "NVFP4A16", "MXFP4", "MXFP4A16", "MXFP8", "MXFP8A16", "W3A16", "W4AFP8", "W2A8"}) {
    Result result;
    result.quantize(preset(name));
    EXPECT_EQ(fatal_rules(result), std::set<std::string>{}) << name;
    EXPECT_EQ(readers_that_load(result.issues()).size(), 2u) << name;
  }
}

TEST(LoadRules, NothingQuantizedBreaksNothing) {
  Result result;
  EXPECT_TRUE(result.issues().empty());
  EXPECT_TRUE(check_load_rules({}).empty());
}

// The model of the README with the default preset: what the user reads.
TEST(LoadRules, SmolLm2WithW4A16IsTellingWhatWouldDo) {
  Result result(smollm2());
  result.quantize(preset("W4A16"));
  const LoadIssue issue = issue_of(result, "group-divides-columns");
  EXPECT_EQ(issue.message,
            "group_size 128 does not divide the 576 columns of 180 modules (model.layers.0.self_attn.q_proj, "
            "…); 64 or 32 "
            "would");
  EXPECT_EQ(issue.fix, "`--group-size 64`");
  EXPECT_EQ(issue.reader, "every reader");
  EXPECT_EQ(issue.modules.size(), 180u);
  EXPECT_TRUE(readers_that_load(result.issues()).empty());

  Result mended(smollm2());
  mended.quantize(grouped("W4A16", 64));
  EXPECT_TRUE(mended.issues().empty());
}

TEST(LoadRules, SmolLm2WithBlocksIsTellingWhatWouldDo) {
  Result result(smollm2());
  result.quantize(preset("FP8_BLOCK"));
  const LoadIssue rows = issue_of(result, "fp8-block-fused-rows");
  EXPECT_EQ(rows.message,
            "blocks of 128 rows do not divide the 192 rows of 30 modules (model.layers.0.self_attn.k_proj, "
            "…) and the 576 "
            "rows of 30 modules (model.layers.0.self_attn.q_proj, …), below which another matrix is stacked; "
            "64 or 32 would");
  EXPECT_THAT(rows.fix, HasSubstr("`--block-structure 64,64`"));
  EXPECT_THAT(issue_of(result, "fp8-block-columns").message,
              HasSubstr("do not divide the 576 columns of 180 modules"));
  EXPECT_THAT(issue_of(result, "activation-groups").fix, HasSubstr("`--block-structure 64,64`"));

  Result mended(smollm2());
  mended.quantize(blocks(64, 64));
  EXPECT_EQ(fatal_rules(mended), std::set<std::string>{});
  EXPECT_THAT(issue_of(mended, "rare-block").fix, HasSubstr("--linear-backend triton"));
}

TEST(LoadRules, ActorderGroup) {
  QuantizationScheme scheme = preset("W4A16");
  scheme.weights->actorder = ActOrder::kGroup;
  Result result;
  EXPECT_TRUE(breaks(result.quantize(scheme), "actorder-group"));
  scheme.weights->actorder = ActOrder::kStatic;
  EXPECT_FALSE(breaks(Result().quantize(scheme), "actorder-group"));
}

TEST(LoadRules, GroupWithoutWeights) {
  Result result;
  result.quantize(preset("W4A16"));
  result.groups.push_back(preset("UNQUANTIZED", {"re:.*mlp.*"}));
  EXPECT_TRUE(breaks(result, "group-without-weights"));
  result.groups.back().targets = {"LlamaAttention"};
  EXPECT_FALSE(breaks(result, "group-without-weights"));
}

TEST(LoadRules, IntWeightOnlyFormat) {
  QuantizationScheme scheme = preset("W8A16");
  scheme.format = Format::kInt;
  Result result;
  result.quantize(scheme);
  EXPECT_EQ(fatal_rules(result), std::set<std::string>{"int-weight-only-format"});
  EXPECT_FALSE(breaks(Result().quantize(preset("W8A16")), "int-weight-only-format"));
}

TEST(LoadRules, LinearScheme) {
  QuantizationScheme scheme = preset("W4A4");
  scheme.format = Format::kInt;
  Result result;
  result.quantize(scheme);
  const LoadIssue issue = issue_of(result, "linear-scheme");
  EXPECT_THAT(issue.message, HasSubstr("4-bit int weights in groups of 128 with 4-bit int activations per "
                                       "token, stored as int-quantized"));
  EXPECT_EQ(issue.fix, "leave `format` out of the recipe: it is then pack-quantized");
  EXPECT_FALSE(breaks(Result().quantize(preset("W4A4")), "linear-scheme"));

  QuantizationScheme asymmetric = preset("W4A8");
  asymmetric.format = Format::kPack;
  asymmetric.input_activations->symmetric = false;
  Result other;
  EXPECT_TRUE(breaks(other.quantize(asymmetric), "linear-scheme"));
}

TEST(LoadRules, FormatTensors) {
  QuantizationScheme scheme = preset("W4AFP8");
  scheme.format =
      Format::kInt;  // int4 in bytes, while the scheme for compute capability 9.0 reads packed words
  Result result;
  EXPECT_TRUE(breaks(result.quantize(scheme), "format-tensors"));
  EXPECT_FALSE(breaks(Result().quantize(preset("W4AFP8")), "format-tensors"));
}

TEST(LoadRules, IntBits) {
  QuantizationScheme scheme = preset("W4A16");
  scheme.weights->num_bits = 1;
  Result result;
  EXPECT_TRUE(breaks(result.quantize(scheme), "int-bits"));
  EXPECT_FALSE(breaks(Result().quantize(preset("W2A16")), "int-bits"));
}

TEST(LoadRules, W4AFp8Group) {
  EXPECT_TRUE(breaks(Result().quantize(grouped("W4AFP8", 64)), "w4afp8-group"));
  EXPECT_FALSE(breaks(Result().quantize(preset("W4AFP8")), "w4afp8-group"));
}

TEST(LoadRules, Fp8BlockInput) {
  QuantizationScheme scheme = preset("FP8_BLOCK");
  scheme.input_activations = preset("FP8").input_activations;
  EXPECT_TRUE(breaks(Result().quantize(scheme), "fp8-block-input"));
  EXPECT_FALSE(breaks(Result().quantize(preset("FP8_BLOCK")), "fp8-block-input"));
}

TEST(LoadRules, Fp8BlockSquare) {
  EXPECT_TRUE(breaks(Result().quantize(blocks(128, 64)), "fp8-block-square"));
  EXPECT_FALSE(breaks(Result().quantize(blocks(64, 64)), "fp8-block-square"));
  QuantizationScheme weight_only = blocks(128, 64);
  weight_only.input_activations.reset();
  EXPECT_FALSE(breaks(Result().quantize(weight_only), "fp8-block-square"));
}

TEST(LoadRules, GroupDividesColumns) {
  Result ragged({.hidden = 520});
  ragged.quantize(preset("W4A16"));
  const LoadIssue issue = issue_of(ragged, "group-divides-columns");
  EXPECT_THAT(issue.message, HasSubstr("does not divide the 520 columns of 10 modules"));
  // 520 = 8 · 65: no group size that kernels take.
  EXPECT_EQ(issue.fix,
            "`--group-size -1` (one scale per row), or `--ignore 're:.*mlp\\.(gate_proj|up_proj)$' --ignore "
            "'re:.*self_attn\\.(k_proj|q_proj|v_proj)$'`");
  // Groups of int weights with FP8 activations are of 128.
  Result fixed(smollm2());
  EXPECT_THAT(issue_of(fixed.quantize(preset("W4AFP8")), "group-divides-columns").fix,
              AllOf(HasSubstr("--ignore"), Not(HasSubstr("--group-size"))));
  EXPECT_FALSE(breaks(Result().quantize(preset("W4A16")), "group-divides-columns"));
}

TEST(LoadRules, FloatGroupDividesColumns) {
  Result ragged({.hidden = 520});
  const LoadIssue issue = issue_of(ragged.quantize(preset("MXFP4A16")), "float-group-divides-columns");
  EXPECT_THAT(issue.message,
              HasSubstr("mxfp4-pack-quantized has groups of 32, which do not divide the 520 columns"));
  EXPECT_THAT(issue.fix, AllOf(HasSubstr("--ignore"), Not(HasSubstr("--group-size"))));
  EXPECT_TRUE(breaks(Result({.hidden = 520}).quantize(preset("NVFP4")), "float-group-divides-columns"));
  EXPECT_FALSE(breaks(Result({.hidden = 528}).quantize(preset("NVFP4")), "float-group-divides-columns"));
  // 16 divides 1040, but not the 130 columns of a rank.
  Result split({.intermediate = 1040});
  EXPECT_THAT(issue_of(split.quantize(preset("NVFP4")).ranks(8), "float-group-divides-columns").message,
              HasSubstr("the 130 columns of 2 modules (model.layers.0.mlp.down_proj, …) on each of 8 ranks"));
}

TEST(LoadRules, GroupDividesRank) {
  Result result({.intermediate = 1280});
  result.quantize(preset("W4A16")).ranks(4);  // 320 columns a rank
  const LoadIssue issue = issue_of(result, "group-divides-rank");
  EXPECT_THAT(issue.message,
              HasSubstr("group_size 128 does not divide the 320 columns of 2 modules "
                        "(model.layers.0.mlp.down_proj, …) that each of 4 ranks holds; 64 or 32 would"));
  EXPECT_EQ(issue.fix, "`--group-size 64`");
  EXPECT_FALSE(breaks(result.ranks(2), "group-divides-rank"));
  EXPECT_FALSE(breaks(result.ranks(1), "group-divides-rank"));
}

TEST(LoadRules, RankDividesHeads) {
  Result result;
  result.quantize(preset("W8A8")).ranks(3);
  EXPECT_THAT(issue_of(result, "rank-divides-heads").message,
              HasSubstr("8 attention heads do not divide into 3 ranks"));
  EXPECT_EQ(issue_of(result, "rank-divides-heads").fix, "`--tp 2`");
  EXPECT_FALSE(breaks(result.ranks(8), "rank-divides-heads"));
}

TEST(LoadRules, RankDividesKvHeads) {
  Result result({.intermediate = 768, .heads = 12, .kv_heads = 6});
  result.quantize(preset("W8A8")).ranks(4);
  EXPECT_EQ(issue_of(result, "rank-divides-kv-heads").fix, "`--tp 3`");
  EXPECT_FALSE(breaks(result.ranks(3), "rank-divides-kv-heads"));
  EXPECT_FALSE(breaks(result.ranks(12), "rank-divides-kv-heads")) << "each rank has a copy of one head";
}

TEST(LoadRules, RankDividesSides) {
  Result result({.intermediate = 1026});
  result.quantize(preset("W8A8")).ranks(4);
  EXPECT_THAT(issue_of(result, "rank-divides-sides").message,
              HasSubstr("4 ranks do not divide the 1026 rows or columns"));
  EXPECT_FALSE(breaks(result.ranks(2), "rank-divides-sides"));
}

TEST(LoadRules, PackedWordsPerRank) {
  QuantizationScheme scheme = preset("W3A16");
  scheme.weights->strategy = Strategy::kChannel;
  scheme.weights->group_size.reset();
  Result result({.intermediate = 1056});
  result.quantize(scheme).ranks(2);  // 528 · 3 bits are 49.5 words
  EXPECT_THAT(issue_of(result, "packed-words-per-rank").message, HasSubstr("packed word of 32 codes"));
  EXPECT_FALSE(breaks(result.ranks(1), "packed-words-per-rank"));
}

TEST(LoadRules, ZeroPointWords) {
  Result result({.kv_heads = 2, .head_dim = 20});  // k and v have 40 rows, q 160
  EXPECT_FALSE(breaks(result.quantize(preset("W4A16_ASYM"), "self_attn"), "zero-point-words"));
  Result odd({.kv_heads = 1, .head_dim = 20});
  const LoadIssue issue = issue_of(odd.quantize(preset("W4A16_ASYM"), "self_attn"), "zero-point-words");
  EXPECT_THAT(issue.message, HasSubstr("packed 8 rows to a word: the 20 rows of 4 modules"));
  EXPECT_THAT(issue.fix, HasSubstr("W4A16"));
  EXPECT_FALSE(breaks(Result({.kv_heads = 1, .head_dim = 20}).quantize(preset("W4A16"), "self_attn"),
                      "zero-point-words"));
  // Not stacked: any number of rows.
  Result alone({.hidden = 512 + 128 * 3});
  EXPECT_FALSE(breaks(alone.quantize(preset("W4A16_ASYM"), "down_proj"), "zero-point-words"));
}

TEST(LoadRules, Fp8BlockFusedRows) {
  Result last({.kv_heads = 3, .head_dim = 64});  // k has 192 rows and v below it
  EXPECT_EQ(issue_of(last.quantize(preset("FP8_BLOCK"), "self_attn"), "fp8-block-fused-rows").modules,
            (std::vector<std::string>{"model.layers.0.self_attn.k_proj", "model.layers.1.self_attn.k_proj"}));
  EXPECT_FALSE(breaks(Result().quantize(preset("FP8_BLOCK")), "fp8-block-fused-rows"));
  Result ragged_up({.intermediate = 1024 + 64});
  EXPECT_TRUE(breaks(ragged_up.quantize(preset("FP8_BLOCK")), "fp8-block-fused-rows")) << "gate is above up";
}

TEST(LoadRules, Fp8BlockPerRank) {
  Result result;
  result.quantize(preset("FP8_BLOCK")).ranks(4);  // k and v: 256 / 4 rows
  const LoadIssue issue = issue_of(result, "fp8-block-per-rank");
  EXPECT_THAT(issue.message, HasSubstr("the 64 rows or columns of 4 modules"));
  EXPECT_THAT(issue.fix, HasSubstr("`--block-structure 64,64`"));
  EXPECT_FALSE(breaks(result.ranks(2), "fp8-block-per-rank"));
  EXPECT_FALSE(breaks(result.ranks(1), "fp8-block-per-rank"));
}

TEST(LoadRules, Fp8BlockColumns) {
  Result result({.hidden = 576});
  EXPECT_TRUE(breaks(result.quantize(preset("FP8_BLOCK"), "mlp"), "fp8-block-columns"));
  EXPECT_FALSE(breaks(Result().quantize(preset("FP8_BLOCK")), "fp8-block-columns"));
  QuantizationScheme weight_only = preset("FP8_BLOCK");
  weight_only.input_activations.reset();
  EXPECT_FALSE(breaks(Result({.hidden = 576}).quantize(weight_only, "mlp"), "fp8-block-columns"));
}

TEST(LoadRules, ActivationGroups) {
  Result result({.hidden = 576});
  const LoadIssue issue = issue_of(result.quantize(preset("FP8_BLOCK"), "mlp"), "activation-groups");
  EXPECT_THAT(issue.message, HasSubstr("activation groups of 128 do not divide the 576 columns"));
  EXPECT_EQ(issue.reader, "Transformers 5.17.0 (compressed-tensors 0.19.0)");
  EXPECT_FALSE(breaks(Result().quantize(preset("FP8_BLOCK")), "activation-groups"));
  // The weights' own rule tells it already.
  EXPECT_FALSE(breaks(Result({.hidden = 520}).quantize(preset("MXFP8")), "activation-groups"));
}

TEST(LoadRules, FusedPartlyQuantized) {
  Result result;
  result.quantize(preset("W4A16")).leave("v_proj");
  const LoadIssue issue = issue_of(result, "fused-partly-quantized");
  EXPECT_EQ(issue.message,
            "k_proj, q_proj, v_proj are stacked into model.layers.0.self_attn.qkv_proj (2 in all), and only "
            "some of them are "
            "quantized");
  EXPECT_THAT(issue.fix, HasSubstr("--ignore 're:.*self_attn\\.(k_proj|q_proj|v_proj)$'"));
  EXPECT_FALSE(breaks(Result().quantize(preset("W4A16")).leave("self_attn"), "fused-partly-quantized"));
}

TEST(LoadRules, FusedSchemesDiffer) {
  Result result;
  result.quantize(preset("W4A16", {"re:.*(q|k)_proj$"}))
      .quantize(preset("W8A16", {"re:.*v_proj$"}), "v_proj");
  EXPECT_EQ(issue_of(result, "fused-schemes-differ").modules.size(), 6u);
  Result same;
  QuantizationScheme other = preset("W4A16", {"re:.*v_proj$"});
  other.weights->observer = "mse";
  same.quantize(preset("W4A16", {"re:.*_proj$"})).quantize(other, "v_proj");
  EXPECT_FALSE(breaks(same, "fused-schemes-differ")) << "an observer is no difference to readers";
}

TEST(LoadRules, TargetOrder) {
  // compressed-tensors takes re:.*_proj$ for all, the first in string order; vLLM takes the first group's for
  // mlp.
  Result result;
  result.quantize(preset("W4A16", {"re:.*mlp.*"}), "mlp").quantize(preset("W8A16", {"re:.*_proj$"}));
  const LoadIssue issue = issue_of(result, "target-order");
  EXPECT_EQ(issue.modules.size(), 6u);
  EXPECT_THAT(issue.message, HasSubstr("gets the scheme of `re:.*mlp.*`"));

  Result disjoint;
  disjoint.quantize(preset("W4A16", {"re:.*self_attn.*"})).quantize(preset("W8A16", {"re:.*mlp.*"}), "mlp");
  EXPECT_FALSE(breaks(disjoint, "target-order"));

  // q alone is named: the stacked matrix as a whole falls to the class target.
  Result part;
  part.quantize(preset("W8A16", {"re:.*q_proj$"}), "q_proj");
  part.quantize(preset("W4A16", {"Linear"}));
  part.context.modules[1].scheme = &part.groups[0];
  EXPECT_TRUE(breaks(part, "fused-schemes-differ"));
}

TEST(LoadRules, FusedFp8TensorScales) {
  Result result;
  const LoadIssue issue = issue_of(result.quantize(preset("FP8")), "fused-fp8-tensor-scales");
  EXPECT_FALSE(issue.fatal);
  EXPECT_THAT(issue.fix, HasSubstr("FP8_DYNAMIC"));
  EXPECT_FALSE(breaks(Result().quantize(preset("FP8_DYNAMIC")), "fused-fp8-tensor-scales"));
  EXPECT_FALSE(breaks(Result().quantize(preset("FP8"), "down_proj"), "fused-fp8-tensor-scales"));
}

TEST(LoadRules, FusedStaticInt8) {
  QuantizationScheme scheme = preset("W8A8");
  scheme.input_activations->strategy = Strategy::kTensor;
  scheme.input_activations->dynamic = Dynamic::kFalse;
  EXPECT_TRUE(breaks(Result().quantize(scheme), "fused-static-int8"));
  EXPECT_FALSE(breaks(Result().quantize(preset("W8A8")), "fused-static-int8"));
}

TEST(LoadRules, ExpertScheme) {
  QuantizationScheme weight_only = preset("FP8_DYNAMIC");
  weight_only.input_activations.reset();
  Result result(mixture("some_moe"));
  const LoadIssue issue = issue_of(result.quantize(weight_only, "experts"), "expert-scheme");
  EXPECT_THAT(issue.message, HasSubstr("no implementation of experts takes 8-bit float weights per channel"));
  EXPECT_THAT(issue.fix, HasSubstr("--ignore 're:.*mlp\\.experts\\..*'"));
  for (const char* name :
       {"W4A16", "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "W8A8", "NVFP4", "MXFP4", "MXFP8", "W4AFP8", "W4A8"})
    EXPECT_FALSE(breaks(Result(mixture("some_moe")).quantize(preset(name), "experts"), "expert-scheme"))
        << name;
  for (const char* name : {"W2A8", "W4A4"})
    EXPECT_TRUE(breaks(Result(mixture("some_moe")).quantize(preset(name), "experts"), "expert-scheme"))
        << name;
}

TEST(LoadRules, ExpertProjections) {
  Result result(mixture());
  result.quantize(preset("W4A16"), "experts").leave("down_proj");
  EXPECT_TRUE(breaks(result, "expert-projections"));
  EXPECT_FALSE(breaks(Result(mixture()).quantize(preset("W4A16"), "experts"), "expert-projections"));
}

TEST(LoadRules, FirstExpert) {
  Result result(mixture());
  result.quantize(preset("W4A16"), "experts").leave("layers.1.mlp.experts.3.");
  EXPECT_EQ(issue_of(result, "first-expert").modules.size(), 3u);
  EXPECT_FALSE(breaks(Result(mixture()).quantize(preset("W4A16"), "experts"), "first-expert"));
}

TEST(LoadRules, ExpertWords) {
  QuantizationScheme scheme = preset("W4A16");
  scheme.weights->strategy = Strategy::kChannel;
  scheme.weights->group_size.reset();
  Result result({.intermediate = 260, .experts = 2});  // 32.5 words
  EXPECT_TRUE(breaks(result.quantize(scheme, "experts"), "expert-words"));
  EXPECT_FALSE(breaks(Result(mixture()).quantize(scheme, "experts"), "expert-words"));
  Result asymmetric({.hidden = 512, .intermediate = 252, .experts = 2});
  QuantizationScheme zero_points = preset("W4A16_ASYM");
  EXPECT_TRUE(breaks(asymmetric.quantize(zero_points, "gate_proj"), "expert-words"));
}

TEST(LoadRules, ExpertBlocks) {
  Result result({.intermediate = 192, .experts = 2});
  EXPECT_TRUE(breaks(result.quantize(preset("FP8_BLOCK"), "experts"), "expert-blocks"));
  Result whole(mixture());
  EXPECT_FALSE(breaks(whole.quantize(preset("FP8_BLOCK"), "experts"), "expert-blocks"));
  EXPECT_TRUE(breaks(whole.ranks(4), "expert-blocks"));
}

TEST(LoadRules, ExpertW4AFp8) {
  EXPECT_TRUE(breaks(Result({.intermediate = 384, .experts = 2}).quantize(preset("W4AFP8"), "experts"),
                     "expert-w4afp8"));
  EXPECT_TRUE(breaks(Result(mixture()).quantize(grouped("W4AFP8", 64), "experts"), "expert-w4afp8"));
  EXPECT_FALSE(breaks(Result(mixture()).quantize(preset("W4AFP8"), "experts"), "expert-w4afp8"));
}

TEST(LoadRules, ExpertMarlin) {
  EXPECT_TRUE(breaks(Result({.hidden = 576, .experts = 2}).quantize(grouped("W4A16", 64), "experts"),
                     "expert-marlin"));
  EXPECT_TRUE(breaks(Result(mixture()).quantize(grouped("W4A16", 16), "experts"), "expert-marlin"));
  EXPECT_FALSE(issue_of(Result(mixture()).quantize(grouped("W4A16", 16), "experts"), "expert-marlin").fatal);
  EXPECT_FALSE(breaks(Result(mixture()).quantize(preset("W4A16"), "experts"), "expert-marlin"));
}

// Loaded with Transformers 5.17.0: what DecompressExperts takes apart and what not.
TEST(LoadRules, TransformersExpertScheme) {
  for (const char* name : {"W4A16", "W8A16", "W3A16", "FP8", "FP8_DYNAMIC", "MXFP4A16"})
    EXPECT_FALSE(breaks(Result(mixture()).quantize(preset(name)), "transformers-expert-scheme")) << name;
  for (const char* name : {"W4A16_ASYM", "W8A8", "W4A8", "FP8_BLOCK", "NVFP4A16", "MXFP8A16"})
    EXPECT_TRUE(breaks(Result(mixture()).quantize(preset(name)), "transformers-expert-scheme")) << name;
  EXPECT_FALSE(breaks(Result(mixture("some_moe")).quantize(preset("W8A8")), "transformers-expert-scheme"))
      << "a model type whose experts stay Linears";
  EXPECT_TRUE(breaks(Result(mixture("gpt_oss")).quantize(preset("W4A16")), "transformers-expert-scheme"));
  Result result(mixture());
  EXPECT_EQ(readers_that_load(result.quantize(preset("W8A8")).issues()),
            std::vector<Reader>{known_readers()[0]});
}

TEST(LoadRules, TransformersUnquantizedExperts) {
  Result result(mixture());
  result.quantize(preset("W4A16"), "self_attn");
  result.leave("experts");
  EXPECT_EQ(issue_of(result, "transformers-unquantized-experts").modules.size(), 24u);
  Result fp8(mixture());
  EXPECT_FALSE(breaks(fp8.quantize(preset("FP8_DYNAMIC"), "self_attn").leave("experts"),
                      "transformers-unquantized-experts"));
  EXPECT_FALSE(breaks(Result(mixture()).quantize(preset("W4A16")), "transformers-unquantized-experts"));
}

TEST(LoadRules, TransformersExpertGroup) {
  Result result(mixture());
  result.quantize(preset("W4A16", {"re:.*mlp.*_proj$"}), "mlp.experts")
      .quantize(preset("FP8_DYNAMIC"), "self_attn");
  EXPECT_TRUE(breaks(result, "transformers-expert-group"));
  Result named(mixture());
  named.quantize(preset("FP8_DYNAMIC"), "self_attn")
      .quantize(preset("W4A16", {"re:.*experts.*"}), "mlp.experts");
  EXPECT_FALSE(breaks(named, "transformers-expert-group"));
}

TEST(LoadRules, LmHeadTarget) {
  Result result;
  result.quantize(grouped("W4A16", 64)).quantize(grouped("W4A16", 64), "lm_head");
  EXPECT_EQ(issue_of(result, "lm-head-target").fix,
            "`--ignore lm_head`, or name it in the recipe: `targets: [Linear, 're:.*lm_head']`");
  Result named;
  named.quantize(grouped("W4A16", 64)).quantize(grouped("W4A16", 64, {"re:.*lm_head"}), "lm_head");
  EXPECT_FALSE(breaks(named, "lm-head-target"));
}

TEST(LoadRules, TiedLmHead) {
  Result result({.tied = true});
  result.quantize(preset("W4A16"));
  EXPECT_FALSE(breaks(result, "tied-lm-head"));
  result.context.ignore.clear();
  EXPECT_EQ(issue_of(result, "tied-lm-head").fix, "`--ignore lm_head`");
  Result by_pattern({.tied = true});
  by_pattern.quantize(preset("W4A16", {"re:.*_proj$"})).context.ignore.clear();
  EXPECT_FALSE(breaks(by_pattern, "tied-lm-head"));
  Result untied;
  untied.quantize(preset("W4A16")).context.ignore.clear();
  EXPECT_FALSE(breaks(untied, "tied-lm-head"));
}

TEST(LoadRules, EmbeddingScheme) {
  EXPECT_FALSE(breaks(Result().quantize(preset("W8A16", {"Embedding"}), "embed_tokens"), "embedding-scheme"));
  EXPECT_TRUE(
      breaks(Result().quantize(preset("FP8_DYNAMIC", {"Embedding"}), "embed_tokens"), "embedding-scheme"));
  EXPECT_TRUE(breaks(Result().quantize(preset("W3A16", {"Embedding"}), "embed_tokens"), "embedding-scheme"));
  EXPECT_TRUE(
      breaks(Result().quantize(preset("W4A16_ASYM", {"Embedding"}), "embed_tokens"), "embedding-scheme"));
}

TEST(LoadRules, EmbeddingQuantized) {
  Result result;
  const LoadIssue issue =
      issue_of(result.quantize(preset("W8A16", {"Embedding"}), "embed_tokens"), "embedding-quantized");
  EXPECT_EQ(issue.fix, "`--ignore model.embed_tokens`");
  EXPECT_FALSE(breaks(Result().quantize(preset("W8A16")), "embedding-quantized"));
}

TEST(LoadRules, UnquantizedNotIgnored) {
  Result result;
  result.quantize(preset("W4A16")).leave("down_proj", /*say_so=*/false);
  const LoadIssue issue = issue_of(result, "unquantized-not-ignored");
  EXPECT_EQ(issue.modules.size(), 2u);
  EXPECT_EQ(issue.fix, "`--ignore 're:.*mlp\\.down_proj$'`");
  EXPECT_FALSE(breaks(Result().quantize(preset("W4A16")).leave("down_proj"), "unquantized-not-ignored"));
  // No target is about it: nothing to ignore.
  EXPECT_FALSE(breaks(Result().quantize(preset("W4A16", {"re:.*self_attn.*"}), "self_attn"),
                      "unquantized-not-ignored"));
  // A class name in `ignore` is none to vLLM.
  Result by_class;
  by_class.quantize(preset("W4A16")).leave("down_proj", false).context.ignore.push_back("Linear");
  EXPECT_TRUE(breaks(by_class, "unquantized-not-ignored"));
  // A router.
  Result router(mixture());
  router.quantize(preset("W4A16")).context.ignore = {"lm_head"};
  EXPECT_EQ(issue_of(router, "unquantized-not-ignored").modules.size(), 2u);
  router.context.ignore.push_back("re:.*mlp\\.gate$");
  EXPECT_FALSE(breaks(router, "unquantized-not-ignored"));
}

TEST(LoadRules, FusedNameIgnored) {
  Result result;
  result.quantize(preset("W4A16")).context.ignore.push_back("re:.*qkv_proj");
  EXPECT_THAT(issue_of(result, "fused-name-ignored").message,
              HasSubstr("matches model.layers.0.self_attn.qkv_proj"));
  Result exact;
  exact.quantize(preset("W4A16")).context.ignore.push_back("model.layers.1.mlp.gate_up_proj");
  EXPECT_TRUE(breaks(exact, "fused-name-ignored"));
  EXPECT_EQ(issue_of(exact, "fused-name-ignored").modules.size(), 2u);
  Result other;
  other.quantize(preset("W4A16")).context.ignore.push_back("re:.*vision.*");
  other.context.ignore.push_back("model.layers.7.mlp.gate_up_proj");
  EXPECT_FALSE(breaks(other, "fused-name-ignored"));
}

TEST(LoadRules, AttentionGroup) {
  EXPECT_TRUE(breaks(Result().quantize(preset("W4A16", {"re:.*Attention"})), "attention-group"));
  EXPECT_FALSE(breaks(Result().quantize(preset("W4A16", {"re:.*Attention", "Linear"})), "attention-group"));
}

TEST(LoadRules, PrefixPatterns) {
  Result result;
  result.quantize(preset("W4A16", {R"(re:^model\.layers\..*_proj$)"}));
  EXPECT_FALSE(breaks(result, "prefix-patterns")) << "one part: the names stay";
  result.config = Json{{"text_config", result.config}};
  EXPECT_FALSE(issue_of(result, "prefix-patterns").fatal);
  EXPECT_THAT(issue_of(result, "prefix-patterns").message, HasSubstr(R"(`re:^model\.layers\..*_proj$`)"));
  Result free;
  free.quantize(preset("W4A16", {"re:.*_proj$"}));
  free.config = Json{{"text_config", free.config}};
  EXPECT_FALSE(breaks(free, "prefix-patterns"));
}

TEST(LoadRules, KvCacheScheme) {
  Result result;
  result.context.kv_cache_scheme = preset("FP8").input_activations;
  EXPECT_FALSE(breaks(result, "kv-cache-scheme"));
  result.context.kv_cache_scheme->strategy = Strategy::kAttnHead;
  EXPECT_FALSE(breaks(result, "kv-cache-scheme"));
  result.context.kv_cache_scheme->type = QuantizationType::kInt;
  EXPECT_TRUE(breaks(result, "kv-cache-scheme"));
}

TEST(LoadRules, NotesOfDevices) {
  const std::map<std::string, std::pair<QuantizationScheme, QuantizationScheme>> cases = {
      {"one-capability", {preset("W4AFP8"), preset("W4A16")}},
      {"fp8-activations", {preset("FP8_DYNAMIC"), preset("W8A8")}},
      {"humming-only", {preset("W3A16"), preset("W4A16")}},
      {"rare-group-size", {grouped("W4A16", 16), grouped("W4A16", 32)}},
      {"rare-block", {blocks(64, 64), blocks(128, 128)}},
  };
  for (const auto& [rule, schemes] : cases) {
    Result applies, does_not;
    const LoadIssue issue = issue_of(applies.quantize(schemes.first), rule);
    EXPECT_EQ(issue.rule, rule);
    EXPECT_FALSE(issue.fatal) << rule;
    EXPECT_FALSE(breaks(does_not.quantize(schemes.second), rule)) << rule;
  }
  for (const char* name : {"W2A8", "W4A4", "W4A8"})
    EXPECT_TRUE(breaks(Result().quantize(preset(name)), "humming-only")) << name;
  QuantizationScheme asymmetric = preset("W8A16");
  asymmetric.weights->symmetric = false;
  EXPECT_TRUE(breaks(Result().quantize(asymmetric), "asymmetric-int8"));
  EXPECT_FALSE(breaks(Result().quantize(preset("W4A16_ASYM")), "asymmetric-int8"));
}

TEST(LoadRules, W4AFp8Tiles) {
  EXPECT_FALSE(
      breaks(Result({.kv_heads = 1, .head_dim = 64}).quantize(preset("W4AFP8"), "self_attn"), "w4afp8-tiles"))
      << "q, k and v have 512, 64 and 64 rows, 640 together";
  EXPECT_TRUE(breaks(Result({.kv_heads = 1, .head_dim = 48}).quantize(preset("W4AFP8"), "self_attn"),
                     "w4afp8-tiles"));
}

TEST(LoadRules, DividingSizes) {
  EXPECT_EQ(dividing_group_sizes(std::vector<uint64_t>{576, 1536}), (std::vector<int64_t>{64, 32, 16}));
  EXPECT_EQ(dividing_group_sizes(std::vector<uint64_t>{4096, 11008}),
            (std::vector<int64_t>{128, 64, 32, 256, 16}));
  EXPECT_EQ(dividing_group_sizes(std::vector<uint64_t>{100}), (std::vector<int64_t>{}));
  EXPECT_EQ(dividing_block_sizes(std::vector<uint64_t>{576, 192, 1536}), (std::vector<int64_t>{64, 32, 16}));
}

TEST(LoadRules, FewModulesAreIgnoredByName) {
  Result result;
  result.add("model.layers.0.extra.odd_proj", 64, 100);
  const LoadIssue issue = issue_of(result.quantize(preset("W4A16")), "group-divides-columns");
  EXPECT_EQ(issue.fix, "`--group-size -1` (one scale per row), or `--ignore model.layers.0.extra.odd_proj`");
  EXPECT_THAT(issue.message, HasSubstr("the 100 columns of model.layers.0.extra.odd_proj"));
}

// The page has every rule as the table has it.
TEST(LoadRules, PageShowsTheTable) {
  std::ifstream file(TERSOR_SOURCE_DIR "/docs/load-rules.md");
  std::stringstream text;
  text << file.rdbuf();
  std::set<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.insert(line);
  size_t rows = 0;
  for (const std::string& line : lines) rows += line.starts_with("| `") ? 1 : 0;
  for (const std::string& row : load_rule_rows())
    EXPECT_TRUE(lines.contains(row)) << "docs/load-rules.md lacks:\n" << row;
  EXPECT_EQ(rows, load_rule_rows().size()) << "docs/load-rules.md has rows of rules that are gone";
}

TEST(LoadRules, OneNumberOfRanksMendsAllRules) {
  Result::Sizes sizes = smollm2();
  sizes.layers = 1;
  for (const uint64_t ranks : {uint64_t{9}, uint64_t{7}, uint64_t{4294967297}}) {
    Result result(sizes);
    result.quantize(preset("FP8_DYNAMIC")).ranks(ranks);
    bool any = false;
    for (const LoadIssue& issue : result.issues()) {
      if (!issue.fatal) continue;
      any = true;
      EXPECT_EQ(issue.fix, "`--tp 3`") << issue.rule;
    }
    EXPECT_TRUE(any) << ranks;
  }
  Result mended(sizes);
  EXPECT_TRUE(fatal_rules(mended.quantize(preset("FP8_DYNAMIC")).ranks(3)).empty());
}

// 64 and 32 divide the columns, and `w4afp8-group` refuses them.
TEST(LoadRules, SizesThatTheSchemeCannotHaveAreNotOffered) {
  Result result(smollm2());
  const LoadIssue issue = issue_of(result.quantize(preset("W4AFP8")), "group-divides-columns");
  EXPECT_THAT(issue.message, HasSubstr(", and this scheme has no other"));
  EXPECT_THAT(issue.fix, Not(HasSubstr("--group-size")));
}

TEST(LoadRules, RuleNamesAreDistinct) {
  std::set<std::string> names;
  for (const std::string& row : load_rule_rows()) names.insert(row.substr(0, row.find(" | ")));
  EXPECT_EQ(names.size(), load_rule_rows().size());
}

}  // namespace
}  // namespace tersor
