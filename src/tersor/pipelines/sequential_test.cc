// The sequential pipeline on tiny models of every family.
#include "tersor/pipelines/sequential.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>

#include "guarded_backend.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/compressors/compressor.h"
#include "tersor/io/file.h"
#include "tersor/io/json.h"
#include "tersor/pipelines/calibration_cost.h"
#include "tersor/pipelines/calibration_memory.h"
#include "tersor/pipelines/data_free.h"
#include "tersor/pipelines/sequential_fixture.h"

namespace tersor {
namespace {

std::vector<std::string> families() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(golden_folder())) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class SequentialFamilyTest : public SequentialTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(SequentialFamilyTest, GptqLosesLessThanRounding) {
  const fs::path model = golden_folder() / GetParam();
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  const Checkpoint checkpoint = open_checkpoint(model.string());
  const Recipe recipe = recipe_for(checkpoint, "GPTQModifier");
  const CompressionPlan plan = make_plan(checkpoint, recipe, {});
  const CalibrationSummary done = run(model, recipe, *backend, {.least_expert_tokens = 4});
  EXPECT_EQ(done.tokens, 74u);
  size_t solved = 0;
  double error = 0, rounding = 0;
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (!plan.decisions[m].calibrated) continue;
    const PieceStatistics& s = done.run.modules[m];
    EXPECT_TRUE(std::isfinite(s.squared_error) && s.squared_norm > 0) << plan.inventory.modules[m].name.name;
    if (s.output_norm == 0) continue;  // an expert with too few tokens
    ++solved;
    error += s.output_error / s.output_norm;
    rounding += s.rounding_output_error / s.output_norm;
  }
  EXPECT_GT(solved, 0u);
  EXPECT_LT(error, 0.9 * rounding);
  // The result is a model that runs.
  const auto reference = make_reference_backend();
  Model compressed(open_checkpoint((folder_ / "out").string()), *reference);
  const DeviceTensor logits = compressed.logits(std::vector<int32_t>{1, 2, 3});
  std::vector<float> values(logits.size());
  reference->copy_out(logits, values.data());
  EXPECT_TRUE(std::ranges::all_of(values, [](float v) { return std::isfinite(v); }));
}

INSTANTIATE_TEST_SUITE_P(Families, SequentialFamilyTest, ::testing::ValuesIn(families()),
                         [](const auto& test) { return test.param; });

// What is stored is what was solved: the error that the run measured is the error that the files make.
TEST_F(SequentialTest, ScalesOfEitherSignLoseLess) {
  const fs::path model = golden_folder() / "llama";
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  const Checkpoint source = open_checkpoint(model.string());
  Recipe recipe = recipe_for(source, "GPTQModifier");
  const auto run_and_count = [&](bool is_signed, size_t& negative) {
    recipe.modifiers[0].gptq->signed_scales = is_signed;
    const CalibrationSummary done = run(model, recipe, *backend, {});
    const CompressionPlan plan = make_plan(source, recipe, {});
    const Checkpoint result = open_checkpoint((folder_ / "out").string());
    double squared_error = 0;
    negative = 0;
    for (size_t m = 0; m < plan.decisions.size(); ++m) {
      if (!plan.decisions[m].calibrated) continue;
      const SourceModule& module = plan.inventory.modules[m];
      std::map<std::string, std::vector<std::byte>> bytes;
      std::map<std::string, std::span<const std::byte>> views;
      for (const std::string suffix : {"weight_packed", "weight_scale", "weight_shape"}) {
        const TensorInfo& info = result.info(result.tensors.at(module.name.name + "." + suffix));
        bytes[suffix].resize(info.bytes());
        result.shards[0].source->read_at(info.begin, bytes[suffix]);
        views[suffix] = bytes[suffix];
      }
      const QuantizationScheme& scheme = plan.schemes[*plan.decisions[m].scheme];
      std::vector<float> scales(module.out()), values(module.out() * module.in()), weight(values.size());
      read_scales(*scheme.weights, module.dtype, views["weight_scale"], 0, scales);
      negative += static_cast<size_t>(std::ranges::count_if(scales, [](float scale) { return scale < 0; }));
      decompress_rows(scheme, views, module.dtype, module.out(), module.in(), 0, module.out(),
                      cpu_quantize_kernels(), values.data());
      std::vector<std::byte> stored(weight.size() * dtype_size(module.dtype));
      source.shards[module.place.shard].source->read_at(module.begin, stored);
      visit_weight({stored.data(), module.dtype, module.out(), module.in()}, [&](const auto& view) {
        for (size_t i = 0; i < weight.size(); ++i) weight[i] = to_float(view.data[i]);
      });
      double error = 0;
      for (size_t i = 0; i < weight.size(); ++i) error += std::pow(double{weight[i]} - values[i], 2);
      EXPECT_NEAR(error / done.run.modules[m].squared_error, 1, 1e-4) << module.name.name;
      squared_error += error;
    }
    return squared_error;
  };
  size_t positive_ones = 0, signed_ones = 0;
  const double positive_error = run_and_count(false, positive_ones),
               signed_error = run_and_count(true, signed_ones);
  EXPECT_EQ(positive_ones, 0u);
  EXPECT_GT(signed_ones, 50u);
  EXPECT_LT(signed_error, 0.97 * positive_error);
}

// Of a mixture's linears: those of experts, and those of them that were solved on a Hessian.
struct ExpertCounts {
  size_t all = 0, solved = 0;
  std::set<uint64_t> tokens;
};

ExpertCounts count_experts(const CompressionPlan& plan, const CalibrationSummary& done) {
  ExpertCounts counts;
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (!plan.decisions[m].calibrated ||
        plan.inventory.modules[m].name.name.find(".experts.") == std::string::npos)
      continue;
    ++counts.all;
    counts.solved += done.run.modules[m].output_norm > 0;
    counts.tokens.insert(done.run.modules[m].tokens);
  }
  return counts;
}

TEST_F(SequentialTest, AllExpertsAreSolvedOnAllTokensWhereAskedFor) {
  for (const char* family : {"qwen3_moe", "mixtral", "olmoe", "deepseek_v3", "qwen2_moe"}) {
    const fs::path model = golden_folder() / family;
    const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
    const Checkpoint checkpoint = open_checkpoint(model.string());
    const Recipe recipe = recipe_for(checkpoint, "GPTQModifier");
    const CompressionPlan plan = make_plan(checkpoint, recipe, {});
    CalibrationOptions options{.least_expert_tokens = 3};
    options.samples = random_samples(32, {1, 1});
    const ExpertCounts routed = count_experts(plan, run(model, recipe, *backend, options));
    EXPECT_LT(routed.solved, routed.all) << family;

    options.all_experts = true;
    const CalibrationSummary done = run(model, recipe, *backend, options, "all");
    const ExpertCounts all = count_experts(plan, done);
    EXPECT_EQ(all.solved, all.all) << family;
    EXPECT_EQ(all.tokens, std::set<uint64_t>{2}) << family;
    EXPECT_TRUE(done.notes.empty()) << family << ": " << done.notes[0];
    options.hessian_bytes = 1;
    options.state_budget = 1000;
    run(model, recipe, *backend, options, "spilled");
    EXPECT_EQ(shard("all"), shard("spilled")) << family;
  }
}

// A few tokens say little of which columns matter.
TEST_F(SequentialTest, ExpertsThatFewTokensReachAreRoundedWithoutThem) {
  const fs::path model = golden_folder() / "qwen3_moe";
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  const auto recipe = [](const std::string& observer) {
    return parse_recipe(
        "s_stage: {m_modifiers: {QuantizationModifier: {config_groups: {g: {targets: ['re:.*experts[.].*'], "
        "weights: {num_bits: 4, strategy: channel, observer: " +
            observer + "}}}}}}",
        "r.yaml");
  };
  const CalibrationSummary done =
      run(model, recipe("imatrix_mse"), *backend, {.least_expert_tokens = 1'000'000}, "starved");
  EXPECT_THAT(done.notes, testing::Each(testing::HasSubstr("columns weighed alike")));
  EXPECT_FALSE(done.notes.empty());
  run(model, recipe("imatrix_mse"), *backend, {.least_expert_tokens = 0}, "weighed");
  const std::string same_search =
      "memoryless_mse, observer_kwargs: {maxshrink: 0.8, grid: 100, norm: 2.0}";  // imatrix_mse's candidates
  const Checkpoint checkpoint = open_checkpoint(model.string());
  OutputFolder output(folder_ / "out", /*overwrite=*/true);
  run_data_free(checkpoint, make_plan(checkpoint, recipe(same_search), {}), output,
                {.threads = 1, .overwrite = true, .progress = {}});
  EXPECT_TRUE(shard("starved") == shard());
  EXPECT_FALSE(shard("weighed") == shard());
}

// Where the router sends every token to every expert, all experts are what is calibrated anyway. In f32: what
// gate and up make waits for down, rounded to bf16, where the router's choice is calibrated, and is made anew
// for all.
TEST_F(SequentialTest, AllExpertsChangeNothingWhereAllAreRouted) {
  const fs::path model = folder_ / "model";
  fs::copy(golden_folder() / "qwen3_moe", model, fs::copy_options::recursive);
  Json config = Json::parse(read_file(model / "config.json", 1 << 20));
  config["num_experts_per_tok"] = config["num_local_experts"];
  write_file_atomically(model / "config.json", config.dump());
  const auto backend = make_reference_backend();
  const Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
  using Scope = CalibrationOptions::Scope;
  for (const Scope scope : {Scope::kStage, Scope::kLayer}) {
    CalibrationOptions options{.scope = scope, .least_expert_tokens = 1, .state_dtype = DType::kF32};
    options.samples = random_samples(32, {9, 5});
    run(model, recipe, *backend, options, "routed");
    options.all_experts = true;
    run(model, recipe, *backend, options, "all");
    EXPECT_TRUE(shard("routed") == shard("all"));
  }
}

// Gate and up of all experts share one Hessian; gate and up run for all tokens before each down.
TEST_F(SequentialTest, PredictsWhatAllExpertsCost) {
  const fs::path folder = golden_folder() / "qwen3_moe";
  const Checkpoint checkpoint = open_checkpoint(folder.string());
  const CompressionPlan plan = make_plan(checkpoint, recipe_for(checkpoint, "GPTQModifier"), {});
  const auto backend = make_reference_backend();
  const Model model(open_checkpoint(folder.string()), *backend);
  const ModelConfig& c = model.config();
  const size_t layer = 1;
  ASSERT_TRUE(c.layers[layer].moe);
  const double tokens = 100, hidden = static_cast<double>(c.hidden),
               heads = static_cast<double>(c.attention.heads * c.attention.value_dim),
               inner = static_cast<double>(c.moe.intermediate), experts = static_cast<double>(c.moe.experts),
               routed = tokens * static_cast<double>(c.moe.route.top_k) / experts;
  const double attention = tokens * (hidden * hidden + heads * heads);
  EXPECT_EQ(calibration_cost(plan, c, {.tokens = tokens, .sample_tokens = 10})[layer].sum().statistics,
            attention + experts * routed * (hidden * hidden + inner * inner));
  EXPECT_EQ(
      calibration_cost(plan, c, {.tokens = tokens, .sample_tokens = 10, .all_experts = true})[layer]
          .sum()
          .statistics,
      attention + tokens * hidden * hidden + experts * tokens * (inner * inner + 2 * 2 * hidden * inner));

  CalibrationSizes sizes{.tokens = 100, .batch_tokens = 100, .hessian_bytes = uint64_t{1} << 30};
  EXPECT_EQ(calibration_memory(plan, c, sizes).hessians,
            static_cast<uint64_t>(experts * 4 * std::max(hidden * hidden, inner * inner)));
  // What keeps the source's weights beside the solved ones takes both.
  const uint64_t layer_bytes = calibration_memory(plan, c, sizes).layer;
  sizes.source_weights = true;
  EXPECT_EQ(calibration_memory(plan, c, sizes).layer, 2 * layer_bytes);
  sizes.all_experts = true;
  EXPECT_EQ(calibration_memory(plan, c, sizes).hessians,
            static_cast<uint64_t>(4 * std::max({hidden * hidden, heads * heads, experts * inner * inner})));
}

// What a layer hands on is the routed sum: attention weights of later layers do not know of the option.
TEST_F(SequentialTest, AllExpertsLeaveTheHiddenStatesAlone) {
  const fs::path model = golden_folder() / "qwen3_moe";
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  const Recipe recipe = parse_recipe(
      "s_stage: {m_modifiers: {GPTQModifier: {config_groups: {g: {targets: ['re:.*self_attn[.]._proj'], "
      "weights: {num_bits: 4, strategy: channel}}}}}}",
      "r.yaml");
  run(model, recipe, *backend, {}, "routed");
  run(model, recipe, *backend, {.all_experts = true}, "all");
  EXPECT_EQ(shard("routed"), shard("all"));
}

TEST_F(SequentialTest, TouchesDeviceMemoryThroughTheBackEndAlone) {
  const fs::path model = golden_folder() / "llama";
  const auto guarded = make_guarded_backend();
  const auto reference = make_reference_backend();
  const Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
  CalibrationOptions options;
  options.samples = random_samples(32, {6, 5});
  run(model, recipe, *guarded, options, "guarded");
  run(model, recipe, *reference, options, "reference");
  EXPECT_EQ(shard("guarded"), shard("reference"));
}

// Samples have their own lengths: what a shorter one says does not depend on those that run beside it.
TEST_F(SequentialTest, StatisticsDoNotDependOnTheOtherSamplesOfABatch) {
  const fs::path model = golden_folder() / "llama";
  const auto backend = make_reference_backend();
  const Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
  run(model, recipe, *backend, {.batch_tokens = 1}, "one_by_one");
  run(model, recipe, *backend, {.batch_tokens = 4096}, "together");
  EXPECT_EQ(shard("one_by_one").size(), shard("together").size());
  const Checkpoint a = open_checkpoint((folder_ / "one_by_one").string());
  const Checkpoint b = open_checkpoint((folder_ / "together").string());
  size_t different = 0, all = 0;
  const std::string x = shard("one_by_one"), y = shard("together");
  for (size_t i = 0; i < x.size(); ++i, ++all) different += x[i] != y[i];
  // Sums of other lengths flip a rounding here and there.
  EXPECT_LT(different * 50, all);
}

TEST_F(SequentialTest, ScopesDifferAndBothHelp) {
  const fs::path model = golden_folder() / "llama";
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  const Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
  run(model, recipe, *backend, {}, "stage");
  run(model, recipe, *backend, {.scope = CalibrationOptions::Scope::kLayer}, "layer");
  run(model, recipe, *backend, {.propagate_error = false}, "source");
  EXPECT_NE(shard("stage"), shard("layer"));
  EXPECT_NE(shard("layer"), shard("source"));
}

float scalar(const Checkpoint& checkpoint, const std::string& name) {
  const TensorPlace place = checkpoint.tensors.at(name);
  const TensorInfo& info = checkpoint.info(place);
  std::vector<std::byte> bytes(info.bytes());
  checkpoint.shards[place.shard].source->read_at(info.begin, bytes);
  float value = 0;
  if (info.dtype == DType::kF32) std::memcpy(&value, bytes.data(), 4);
  if (info.dtype == DType::kBF16) {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes.data(), 2);
    value = to_float(BFloat16{bits});
  }
  return value;
}

// input_scale is the largest magnitude of the input over all samples, over 448.
TEST_F(SequentialTest, StaticScalesAreThoseOfTheInputs) {
  const fs::path model = golden_folder() / "llama";
  const auto backend = make_reference_backend();
  const Recipe recipe = recipe_from_flags(
      {.scheme = "FP8", .targets = {}, .ignore = {"lm_head"}, .observer = "", .kv_cache_scheme = "fp8"});
  CalibrationOptions options;
  options.samples = random_samples(32, {6, 5});
  run(model, recipe, *backend, options);
  const Checkpoint out = open_checkpoint((folder_ / "out").string());

  Model source(open_checkpoint(model.string()), *backend);
  float largest = 0, key = 0;
  for (const auto& ids : options.samples) {
    const Layer layer = source.load_layer(0);
    LayerState state;
    state.hidden = source.embed(ids);
    state.sequences = {{0, ids.size(), 0, nullptr, 0}};
    state.on_keys_values = [&](const DeviceTensor& k, const DeviceTensor&) {
      std::vector<float> values(k.size());
      backend->copy_out(k, values.data());
      for (const float v : values) key = std::max(key, std::fabs(v));
    };
    begin_layer(*backend, source.config(), layer, state);
    std::vector<float> values(state.attention_input.size());
    backend->copy_out(state.attention_input, values.data());
    for (const float v : values) largest = std::max(largest, std::fabs(v));
    // Keys are those of the quantized projection.
    Model quantized(open_checkpoint((folder_ / "out").string()), *backend);
    Layer rounded = quantized.load_layer(0);
    for (Linear* linear : {&rounded.q, &rounded.k, &rounded.v}) linear->input_quant.reset();
    const auto ropes = source.make_ropes(ids.size());
    run_attention_in(*backend, source.config(), rounded, ropes, state);
  }
  const std::string attention = "model.layers.0.self_attn.";
  // A scale is stored in the weights' dtype, of at least 8 bits.
  for (const char* name : {"q_proj", "k_proj", "v_proj"})
    EXPECT_NEAR(scalar(out, attention + name + ".input_scale") / (largest / 448), 1, 0x1p-8);
  EXPECT_NEAR(scalar(out, attention + "k_scale") / (key / 448), 1, 0x1p-7);
  EXPECT_GT(scalar(out, attention + "v_scale"), 0);
}

TEST_F(SequentialTest, NamesTheLayerWhoseActivationsAreNotFinite) {
  const fs::path broken = folder_ / "broken";
  fs::copy(golden_folder() / "llama", broken, fs::copy_options::recursive);
  const Checkpoint checkpoint = open_checkpoint(broken.string());
  const TensorInfo& info = checkpoint.info(checkpoint.tensors.at("model.layers.1.input_layernorm.weight"));
  {
    const File file(broken / "model.safetensors", File::Open::kReadWrite);
    std::vector<std::byte> infinity(info.bytes());
    const uint32_t bits = 0x7F800000;
    const uint16_t half = 0x7F80;
    if (info.dtype == DType::kF32) {
      std::memcpy(infinity.data(), &bits, 4);
    } else {
      std::memcpy(infinity.data(), &half, 2);
    }
    file.write_at(info.begin, infinity);
  }
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  try {
    run(broken, recipe_for(checkpoint, "GPTQModifier"), *backend, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("`model.layers.1.self_attn.q_proj` (layer 1)"));
  }
}

}  // namespace
}  // namespace tersor
