// What the tests of the sequential pipeline share: tiny models, random samples, runs into a temporary folder.
#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tersor/base/regex.h"
#include "tersor/io/file.h"
#include "tersor/pipelines/sequential.h"

namespace tersor {

namespace fs = std::filesystem;

inline fs::path golden_folder() { return fs::path(TERSOR_SOURCE_DIR) / "tests/modeling/golden"; }

inline std::vector<std::vector<int32_t>> random_samples(size_t vocabulary, std::vector<size_t> lengths) {
  std::mt19937 random(11);
  std::vector<std::vector<int32_t>> samples;
  for (const size_t length : lengths) {
    samples.emplace_back();
    for (size_t i = 0; i < length; ++i) samples.back().push_back(static_cast<int32_t>(random() % vocabulary));
  }
  return samples;
}

class SequentialTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("tersor_sequential_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Targets that match nothing are errors: those of the recipe that the model has.
  static Recipe recipe_for(const Checkpoint& checkpoint, const std::string& modifier) {
    std::string targets;
    for (const char* pattern : {"re:.*_proj.*", "re:.*[.](w1|w2|w3)$", "re:.*c_(fc|proj)$"}) {
      const Regex regex(std::string(pattern).substr(3));
      const bool has = std::ranges::any_of(checkpoint.tensors, [&](const auto& tensor) {
        const std::string& name = tensor.first;
        return name.ends_with(".weight") && regex.match_prefix(name.substr(0, name.size() - 7)) &&
               checkpoint.info(tensor.second).shape.size() == 2 && name.find("visual") == std::string::npos;
      });
      if (has) targets += std::string(targets.empty() ? "" : ", ") + "'" + pattern + "'";
    }
    const bool vision = std::ranges::any_of(checkpoint.tensors, [](const auto& tensor) {
      return tensor.first.find("visual") != std::string::npos;
    });
    return parse_recipe("s_stage: {m_modifiers: {" + modifier + ": {config_groups: {g: {targets: [" +
                            targets + "], weights: {num_bits: 4, strategy: channel}}}" +
                            (vision ? ", ignore: ['re:.*visual.*']" : "") + "}}}",
                        "r.yaml");
  }

  CalibrationSummary run(const fs::path& model_folder, const Recipe& recipe, Backend& backend,
                         CalibrationOptions options, const std::string& out = "out") {
    const Checkpoint checkpoint = open_checkpoint(model_folder.string());
    const CompressionPlan plan = make_plan(checkpoint, recipe, {});
    const Model model(open_checkpoint(model_folder.string()), backend);
    if (options.samples.empty()) options.samples = random_samples(model.config().vocabulary, {24, 9, 17, 24});
    OutputFolder output(folder_ / out, /*overwrite=*/true);
    return run_sequential(model, plan, output, {.threads = 2, .overwrite = true, .progress = {}}, options);
  }

  // A run that ends, as by a signal, when it comes to `place`.
  void stop_at(const std::string& place, const Model& model, const CompressionPlan& plan,
               const CalibrationOptions& options) {
    struct Stop {};
    OutputFolder output(folder_ / "out", true);
    RunOptions stopping{.threads = 1, .overwrite = false, .progress = {}, .progress_interval = 0};
    stopping.progress = [&](const Progress& p) {
      if (p.at == place) throw Stop();
    };
    EXPECT_THROW(run_sequential(model, plan, output, stopping, options), Stop);
  }

  std::string shard(const std::string& out = "out") const {
    return read_file(folder_ / out / "model.safetensors", 1 << 30);
  }

  fs::path folder_;
};

}  // namespace tersor
