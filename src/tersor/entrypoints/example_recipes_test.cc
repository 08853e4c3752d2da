// Every recipe of examples/recipes/llm-compressor, unchanged, from the source to a verified output.
#include <algorithm>
#include <filesystem>

#include "temp_folder.h"
#include "toy_checkpoint.h"
#include <gtest/gtest.h>

#include "tersor/entrypoints/oneshot.h"
#include "tersor/entrypoints/verify.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = TERSOR_SOURCE_DIR;

std::vector<fs::path> recipes() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(kSource / "examples/recipes/llm-compressor")) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  return paths;
}

// A tiny mixture of experts with a tokenizer, which no word of the data below needs.
void write_experts(const fs::path& folder) {
  fs::copy(kSource / "tests/modeling/golden/qwen3_moe", folder);
  fs::copy_file(kSource / "models/tiny/tokenizer.json", folder / "tokenizer.json");
}

// Token ids of the smallest vocabulary in use.
void write_ids(const fs::path& path) {
  constexpr int32_t kSamples = 4, kTokens = 48, kVocabulary = 80;
  toy::Tensor ids{"input_ids", DType::kI32, {kSamples, kTokens}, {}};
  std::mt19937 random(1);
  for (int32_t i = 0; i < kSamples * kTokens; ++i) {
    const auto id = static_cast<int32_t>(random() % kVocabulary);
    const auto* bytes = reinterpret_cast<const std::byte*>(&id);
    ids.bytes.insert(ids.bytes.end(), bytes, bytes + sizeof(id));
  }
  toy::write_safetensors(path, {ids});
}

class ExampleRecipes : public testing::TestWithParam<fs::path> {};

TEST_P(ExampleRecipes, RunsAndIsVerified) {
  const TempFolder folder;
  CompressionRequest request;
  request.model = kSource / "models/tiny";
  request.recipe_file = GetParam();
  if (GetParam().stem().string().starts_with("moe_")) {
    request.model = folder / "model";
    write_experts(request.model);
  }
  write_ids(folder / "ids.safetensors");
  request.calibration.dataset = folder / "ids.safetensors";
  request.calibration.samples = 4;
  request.threads = 2;
  OneshotOptions options;
  options.output = folder / "out";
  const CompressionSummary summary = oneshot(request, options);
  EXPECT_GT(summary.relative_error, 0);

  const VerifyReport verified = verify(options.output, request.model, 2);
  EXPECT_TRUE(verified.failures.empty()) << verified.failures.front();
  EXPECT_FALSE(verified.modules.empty());
  // The file that llm-compressor would find beside the weights.
  EXPECT_EQ(toy::read_folder(folder / "out").at("recipe.yaml"),
            toy::read_folder(GetParam().parent_path()).at(GetParam().filename()));
}

INSTANTIATE_TEST_SUITE_P(LlmCompressor, ExampleRecipes, testing::ValuesIn(recipes()),
                         [](const auto& recipe) { return recipe.param.stem().string(); });

}  // namespace
}  // namespace tersor
