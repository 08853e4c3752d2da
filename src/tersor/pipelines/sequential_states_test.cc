// Where activations wait, in the sequential pipeline: in memory, in a file, over a stop; what they take of
// memory.
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "tersor/backend/reference/reference_backend.h"
#include "tersor/io/file.h"
#include "tersor/pipelines/calibration_memory.h"
#include "tersor/pipelines/sequential_fixture.h"

namespace tersor {
namespace {

TEST_F(SequentialTest, StatesInAFileAndSmallBatchesChangeNothing) {
  const fs::path model = golden_folder() / "qwen3_moe";
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  const Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    run(model, recipe, *backend, {.state_dtype = dtype}, "whole");
    run(model, recipe, *backend,
        {.hessian_bytes = 1, .hessians_in_file = true, .state_dtype = dtype, .state_budget = 5000},
        "spilled");
    EXPECT_TRUE(shard("whole") == shard("spilled"));
  }
  run(model, recipe, *backend, {.state_dtype = DType::kF32}, "f32");
  EXPECT_FALSE(shard("f32") == shard("whole"));
}

// With a layer's source weights as with those that are solved: what comes into a layer the second time is
// what came the first time, from wherever it is kept, and after a stop.
TEST_F(SequentialTest, StatisticsOfSourceWeightsAreTheSameFromAFileAndAfterAStop) {
  using Scope = CalibrationOptions::Scope;
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  for (const char* family : {"llama", "qwen3_moe"}) {
    const fs::path model = golden_folder() / family;
    const Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
    const CompressionPlan plan = make_plan(open_checkpoint(model.string()), recipe, {});
    const Model runner(open_checkpoint(model.string()), *backend);
    for (const bool propagate : {true, false}) {
      CalibrationOptions options{.scope = Scope::kLayer, .propagate_error = propagate, .batch_tokens = 24};
      options.samples = random_samples(runner.config().vocabulary, {24, 9, 17, 24});
      run(model, recipe, *backend, options, "whole");
      options.hessian_bytes = 1;
      options.state_budget = 0;
      run(model, recipe, *backend, options, "spilled");
      EXPECT_TRUE(shard("whole") == shard("spilled")) << family << propagate;

      fs::remove_all(folder_ / "out");
      stop_at("layer 2 of 2, down", runner, plan, options);
      OutputFolder output(folder_ / "out", false);
      const CalibrationSummary done =
          run_sequential(runner, plan, output, {.threads = 1, .overwrite = false, .progress = {}}, options);
      EXPECT_EQ(done.resumed_layers, 1u) << family << propagate;
      EXPECT_TRUE(shard("whole") == shard()) << family << propagate;
    }
  }
}

// Knows how much memory its tensors take, and took at the most.
class CountingBackend : public ReferenceBackend {
 public:
  DeviceTensor allocate(DType dtype, size_t rows, size_t cols) override {
    DeviceTensor tensor = ReferenceBackend::allocate(dtype, rows, cols);
    live_ += tensor.bytes();
    peak_ = std::max(peak_, live_);
    const std::shared_ptr<DeviceBuffer> memory = tensor.buffer;
    tensor.buffer = std::make_shared<DeviceBuffer>(
        memory->address(), memory->bytes(), [this, memory](std::byte*, size_t) { live_ -= memory->bytes(); });
    return tensor;
  }
  size_t peak() const { return peak_; }

 private:
  size_t live_ = 0, peak_ = 0;
};

// Batches wait in the file, in every order of calibration: ten times as many take no more memory.
TEST_F(SequentialTest, MemoryDoesNotGrowWithTheSamples) {
  using Scope = CalibrationOptions::Scope;
  const fs::path model = golden_folder() / "llama";
  const Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
  for (const auto& [scope, propagate] :
       {std::pair{Scope::kStage, true}, {Scope::kLayer, true}, {Scope::kStage, false}}) {
    size_t peaks[2] = {};
    for (const size_t batches : {2, 20}) {
      CountingBackend backend;
      CalibrationOptions options{
          .scope = scope, .propagate_error = propagate, .batch_tokens = 24, .state_budget = 0};
      options.samples = random_samples(32, std::vector<size_t>(batches, 24));
      run(model, recipe, backend, options);
      peaks[batches == 20] = backend.peak();
    }
    EXPECT_GT(peaks[0], 0u);
    EXPECT_EQ(peaks[0], peaks[1]);
  }
}

TEST_F(SequentialTest, GoesOnAfterTheLastFinishedLayer) {
  const fs::path model = golden_folder() / "llama";
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  const Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
  const Checkpoint checkpoint = open_checkpoint(model.string());
  const CompressionPlan plan = make_plan(checkpoint, recipe, {});
  const Model runner(open_checkpoint(model.string()), *backend);
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    CalibrationOptions options{.state_dtype = dtype};
    options.samples = random_samples(runner.config().vocabulary, {24, 9, 17, 24});
    run(model, recipe, *backend, options, "whole");
    // Stopped in the middle of the second layer, as by a signal.
    fs::remove_all(folder_ / "out");
    stop_at("layer 2 of 2, gate, up", runner, plan, options);
    EXPECT_FALSE(fs::exists(folder_ / "out"));
    EXPECT_EQ(fs::file_size(folder_ / "out.partial/.tersor-hidden-0"),
              74 * runner.config().hidden * dtype_size(dtype));
    OutputFolder output(folder_ / "out", false);
    const CalibrationSummary done =
        run_sequential(runner, plan, output, {.threads = 1, .overwrite = false, .progress = {}}, options);
    EXPECT_EQ(done.resumed_layers, 1u);
    EXPECT_TRUE(shard("whole") == shard());
    for (size_t m = 0; m < plan.decisions.size(); ++m) {
      if (plan.decisions[m].calibrated) {
        EXPECT_GT(done.run.modules[m].output_norm, 0);
      }
    }
  }
}

// Asymmetric calibration carries a second stream of states: through a file, a stop and small batches alike.
TEST_F(SequentialTest, AsymmetricCalibrationKeepsBothStreams) {
  for (const char* family : {"llama", "qwen3_moe", "deepseek_v3"}) {
    const fs::path model = golden_folder() / family;
    const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
    Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
    run(model, recipe, *backend, {}, "plain");
    for (auto& modifier : recipe.modifiers) modifier.gptq->asymmetric_calibration = true;
    const CalibrationSummary whole = run(model, recipe, *backend, {}, "whole");
    for (const PieceStatistics& s : whole.run.modules) EXPECT_TRUE(std::isfinite(s.squared_error)) << family;
    EXPECT_FALSE(shard("plain") == shard("whole")) << family;
    run(model, recipe, *backend, {.hessian_bytes = 1, .hessians_in_file = true, .state_budget = 5000},
        "spilled");
    EXPECT_TRUE(shard("whole") == shard("spilled")) << family;

    const CompressionPlan plan = make_plan(open_checkpoint(model.string()), recipe, {});
    const Model runner(open_checkpoint(model.string()), *backend);
    CalibrationOptions options;
    options.samples = random_samples(runner.config().vocabulary, {24, 9, 17, 24});
    fs::remove_all(folder_ / "out");
    stop_at("layer 2 of 2, down", runner, plan, options);
    OutputFolder output(folder_ / "out", false);
    const CalibrationSummary done =
        run_sequential(runner, plan, output, {.threads = 1, .overwrite = false, .progress = {}}, options);
    EXPECT_EQ(done.resumed_layers, 1u) << family;
    EXPECT_TRUE(shard("whole") == shard()) << family;
  }
}

// A damaged file of hidden states is not gone on with.
TEST_F(SequentialTest, StartsAgainWhereTheStatesAreDamaged) {
  const fs::path model = golden_folder() / "llama";
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  const Recipe recipe = recipe_for(open_checkpoint(model.string()), "GPTQModifier");
  run(model, recipe, *backend, {}, "whole");
  const CompressionPlan plan = make_plan(open_checkpoint(model.string()), recipe, {});
  const Model runner(open_checkpoint(model.string()), *backend);
  CalibrationOptions options;
  options.samples = random_samples(runner.config().vocabulary, {24, 9, 17, 24});
  stop_at("layer 2 of 2, down", runner, plan, options);
  {
    const File file(folder_ / "out.partial/.tersor-hidden-0", File::Open::kReadWrite);
    const float damage = 1e9f;
    file.write_at(64, std::as_bytes(std::span(&damage, 1)));
  }
  OutputFolder output(folder_ / "out", false);
  const CalibrationSummary done =
      run_sequential(runner, plan, output, {.threads = 1, .overwrite = false, .progress = {}}, options);
  EXPECT_EQ(done.resumed_layers, 0u);
  EXPECT_TRUE(shard("whole") == shard());
}

// A budget makes batches smaller, then fewer Hessians come at a time; activations are no part of what is
// needed.
TEST_F(SequentialTest, FitsToABudgetWhatCanBeMadeSmaller) {
  const fs::path folder = golden_folder() / "qwen3_moe";
  const Checkpoint checkpoint = open_checkpoint(folder.string());
  const CompressionPlan plan = make_plan(checkpoint, recipe_for(checkpoint, "GPTQModifier"), {});
  const auto backend = make_reference_backend();
  const ModelConfig model = Model(open_checkpoint(folder.string()), *backend).config();
  const CalibrationSizes wanted{
      .bytes_per_state = 2, .tokens = 1 << 20, .batch_tokens = 4096, .hessian_bytes = uint64_t{1} << 30};
  const CalibrationMemory whole = calibration_memory(plan, model, wanted);
  CalibrationSizes sizes = wanted;
  EXPECT_EQ(fit_to_budget(plan, model, 0, 512, sizes).total(), whole.total());
  EXPECT_EQ(sizes.batch_tokens, 4096u);

  const uint64_t batch_of_1024 = whole.batch / 4;
  const uint64_t budget = whole.program + whole.layer + whole.hessians + batch_of_1024;
  EXPECT_EQ(fit_to_budget(plan, model, budget, 512, sizes).least(), budget);
  EXPECT_EQ(sizes.batch_tokens, 1024u);
  EXPECT_EQ(sizes.hessian_bytes, wanted.hessian_bytes);

  const CalibrationMemory least = fit_to_budget(plan, model, 1, 512, sizes);
  EXPECT_EQ(sizes.batch_tokens, 512u);
  EXPECT_LT(least.hessians, whole.hessians);
  EXPECT_FALSE(sizes.hessians_in_file);  // a batch takes more than a solve: it would not help
  EXPECT_GT(least.least(), 1u);

  CalibrationSizes wide = wanted;
  wide.bytes_per_state = 4;
  EXPECT_EQ(calibration_memory(plan, model, wide).states, 2 * whole.states);
}

}  // namespace
}  // namespace tersor
