// verify: passes what compression writes, and finds every damage that a random bit or a careless edit makes.
#include "tersor/entrypoints/verify.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <random>

#include "temp_folder.h"
#include "toy_checkpoint.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/entrypoints/oneshot.h"

namespace tersor {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kPresets[] = {"W4A16",       "W4A16_ASYM", "W3A16",    "W8A16",    "W8A8",
                                    "FP8_DYNAMIC", "FP8_BLOCK",  "NVFP4A16", "MXFP4A16", "MXFP8"};

// One scale for a whole weight: its range is observed before, mse's in two passes.
constexpr const char* kTensorRecipe = R"(default_stage:
  default_modifiers:
    QuantizationModifier:
      ignore: [lm_head]
      config_groups:
        group_0:
          targets: [Linear]
          weights: {num_bits: 8, type: float, symmetric: true, strategy: tensor, observer: OBSERVER}
          input_activations: {num_bits: 8, type: float, symmetric: true, strategy: token, dynamic: true}
)";

class VerifyTest : public testing::Test {
 protected:
  void SetUp() override { toy::write_checkpoint(model(), config_, toy::llama_tensors(sizes_), 2); }

  std::string model() const { return folder_ / "model"; }
  std::string out() const { return folder_ / "out"; }

  void compress(const std::string& scheme, const std::string& observer = "memoryless_minmax") {
    CompressionRequest request;
    request.model = model();
    request.allow_unloadable = true;
    request.threads = 2;
    if (scheme == "tensor") {
      std::string recipe = kTensorRecipe;
      recipe.replace(recipe.find("OBSERVER"), 8, observer);
      write_file_atomically(folder_ / "in.yaml", recipe);
      request.recipe_file = folder_ / "in.yaml";
    } else {
      request.scheme = scheme;
      request.ignore = {"lm_head"};
      request.observer = observer;
      if (scheme.find("A16") == 2) request.group_size = 64;
    }
    OneshotOptions options;
    options.output = out();
    options.overwrite = true;
    oneshot(request, options);
  }

  std::vector<std::string> failures() const { return verify(out(), model(), 2).failures; }

  // Edits config.json of the output.
  template <typename Edit>
  std::vector<std::string> failures_with_config(Edit edit) {
    const std::filesystem::path path = folder_ / "out" / "config.json";
    const std::string intact = read_file(path, UINT64_MAX);
    Json config = parse_json(intact, "config.json");
    edit(config);
    write_file_atomically(path, dump_json(config));
    auto found = failures();
    write_file_atomically(path, intact);
    return found;
  }

  // Makes the output one of another writer's: the shards say nothing of Tersor.
  void forget_writer() {
    for (const auto& entry : std::filesystem::directory_iterator(out())) {
      if (entry.path().extension() != ".safetensors") continue;
      std::string text = read_file(entry.path(), UINT64_MAX);
      const size_t at = text.find(R"("writer":"tersor")");
      ASSERT_NE(at, std::string::npos);
      text.replace(at + 10, 6, "nobody");
      write_file_atomically(entry.path(), text);
    }
  }

  TempFolder folder_;
  toy::Sizes sizes_{.layers = 1};
  Json config_ = toy::llama_config(sizes_);
};

TEST_F(VerifyTest, PassesWhatCompressionWrites) {
  for (const char* observer : {"memoryless_minmax", "mse"}) {
    for (const char* scheme : kPresets) {
      compress(scheme, observer);
      const VerifyReport report = verify(out(), model(), 3);
      EXPECT_THAT(report.failures, IsEmpty()) << scheme << " " << observer;
      EXPECT_THAT(report.checks, HasSubstr("recomputed")) << scheme;
      EXPECT_EQ(report.modules.size(), 7u);
      EXPECT_EQ(report.equal_tensors, 4u);
    }
    compress("tensor", observer);
    EXPECT_THAT(failures(), IsEmpty()) << observer;
  }
}

// Also F16 and F32 weights, whose arithmetic is another.
TEST_F(VerifyTest, PassesOtherDtypes) {
  for (const DType dtype : {DType::kF16, DType::kF32}) {
    toy::write_checkpoint(model(), config_, toy::llama_tensors(sizes_, dtype), 2);
    for (const char* scheme : kPresets) {
      compress(scheme);
      EXPECT_THAT(failures(), IsEmpty()) << scheme;
    }
  }
}

TEST_F(VerifyTest, FindsEveryFlippedBit) {
  std::mt19937 rng(1);
  std::vector<std::string> schemes(std::begin(kPresets), std::end(kPresets));
  schemes.push_back("tensor");
  for (const std::string& scheme : schemes) {
    compress(scheme);
    for (const char* shard : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
      std::fstream file(folder_ / "out" / shard, std::ios::in | std::ios::out | std::ios::binary);
      const auto size = static_cast<uint64_t>(file.seekg(0, std::ios::end).tellg());
      uint64_t header = 0;
      file.seekg(0).read(reinterpret_cast<char*>(&header), 8);
      for (int i = 0; i < 30; ++i) {
        const auto at = static_cast<std::streamoff>(8 + header + rng() % (size - 8 - header));
        const auto intact = static_cast<char>(file.seekg(at).get());
        file.seekp(at).put(static_cast<char>(intact ^ (1 << rng() % 8))).flush();
        const auto found = failures();
        ASSERT_FALSE(found.empty()) << scheme << " " << shard << " byte " << at;
        EXPECT_THAT(found, Contains(HasSubstr("`model."))) << scheme;
        file.seekp(at).put(intact).flush();
      }
    }
    EXPECT_THAT(failures(), IsEmpty()) << scheme;
  }
}

TEST_F(VerifyTest, NamesTheTensorTheCountAndTheFirstPlace) {
  compress("FP8_DYNAMIC");
  const std::filesystem::path path = folder_ / "out" / "model-00001-of-00002.safetensors";
  const auto source = open_file_source(path);
  const SafetensorsHeader header = read_safetensors_header(*source);
  const auto tensor =
      std::ranges::find(header.tensors, "model.layers.0.self_attn.q_proj.weight", &TensorInfo::name);
  ASSERT_NE(tensor, header.tensors.end());
  std::string text = read_file(path, UINT64_MAX);
  for (const uint64_t at : {3 * 128 + 5, 3 * 128 + 6, 100 * 128}) text[tensor->begin + at] ^= 1;
  write_file_atomically(path, text);
  EXPECT_THAT(failures(), testing::ElementsAre(
                              AllOf(HasSubstr("`model.layers.0.self_attn.q_proj.weight`: 3 of 16384 codes"),
                                    HasSubstr("row 3, column 5"))));
}

TEST_F(VerifyTest, HoldsTheConfigAgainstThePlan) {
  compress("W4A16");
  using Edit = void (*)(Json&);
  const Edit edits[] = {
      [](Json& c) { c["quantization_config"]["ignore"] = Json::array(); },
      [](Json& c) { c["quantization_config"]["format"] = "int-quantized"; },
      [](Json& c) { c["quantization_config"]["quantization_status"] = "frozen"; },
      [](Json& c) { c["quantization_config"]["config_groups"]["group_0"]["weights"]["actorder"] = "group"; },
      [](Json& c) { c["quantization_config"]["config_groups"]["group_0"]["weights"]["symmetric"] = false; },
      [](Json& c) { c["quantization_config"].erase("version"); },
      [](Json& c) { c["hidden_size"] = 64; },
      [](Json& c) { c["new_key"] = 1; },
  };
  for (size_t i = 0; i < std::size(edits); ++i) {
    EXPECT_THAT(failures_with_config(edits[i]), Contains(HasSubstr("config.json: `"))) << i;
  }
  EXPECT_THAT(failures(), IsEmpty());
}

TEST_F(VerifyTest, MissesNoRecipeAndNoFile) {
  compress("W4A16");
  const std::filesystem::path recipe = folder_ / "out" / "recipe.yaml";
  const std::string intact = read_file(recipe, UINT64_MAX);
  for (const char* text : {"", "scheme: [", "GPTQModifier: {scheme: W4A16}"}) {
    write_file_atomically(recipe, text);
    const VerifyReport report = verify(out(), model());
    EXPECT_THAT(report.failures, Contains(HasSubstr("recipe.yaml cannot be used"))) << text;
    EXPECT_THAT(report.checks, HasSubstr("error bound only")) << text;
  }
  std::filesystem::remove(recipe);
  EXPECT_THAT(failures(), Contains(HasSubstr("recipe.yaml cannot be used")));
  write_file_atomically(recipe, intact);

  toy::write_safetensors(folder_ / "out" / "extra.safetensors", {toy::random_tensor("x", {4}, 1)});
  EXPECT_THAT(failures(), testing::ElementsAre(HasSubstr("extra.safetensors")));
  std::filesystem::remove(folder_ / "out" / "extra.safetensors");

  write_file_atomically(folder_ / "out" / "tokenizer.json", "{ }");
  EXPECT_THAT(failures(), testing::ElementsAre(HasSubstr("tokenizer.json differs")));
}

// Codes of other writers may differ in how they round; what they say is bounded, and config.json is held
// against the tensors.
TEST_F(VerifyTest, ClaimsNothingOfOtherWriters) {
  compress("W4A16");
  forget_writer();
  const std::filesystem::path path = folder_ / "out" / "model-00001-of-00002.safetensors";
  std::string text = read_file(path, UINT64_MAX);
  text[text.find("\"writer\"") + 12000] ^= 1;  // a code
  write_file_atomically(path, text);
  write_file_atomically(folder_ / "out" / "tokenizer.json", "{ }");
  const VerifyReport report = verify(out(), model());
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_THAT(report.checks, HasSubstr("error bound only: no shard says that Tersor wrote it"));
  EXPECT_THAT(report.notes, Contains(HasSubstr("tokenizer.json differs")));
  EXPECT_THAT(failures_with_config([](Json& c) { c["quantization_config"]["format"] = "int-quantized"; }),
              Contains(HasSubstr("`quantization_config.format`")));
  EXPECT_THAT(
      failures_with_config([](Json& c) { c["quantization_config"]["quantization_status"] = "frozen"; }),
      Contains(HasSubstr("quantization_status")));
  EXPECT_THAT(failures_with_config([](Json& c) {
                c["quantization_config"]["config_groups"]["group_0"]["weights"]["actorder"] = "group";
              }),
              Contains(HasSubstr("weight_g_idx")));
}

TEST_F(VerifyTest, TellsAWrongReferenceInOneLine) {
  compress("W4A16");
  toy::Sizes other = sizes_;
  other.hidden = 64;
  other.layers = 4;
  toy::write_checkpoint(folder_ / "shapes", toy::llama_config(other), toy::llama_tensors(other));
  auto found = verify(out(), folder_ / "shapes").failures;
  ASSERT_EQ(found.size(), 5u);
  EXPECT_THAT(found[0], HasSubstr("is not what this was made from"));
  EXPECT_THAT(found[4], HasSubstr("more"));

  auto tensors = toy::llama_tensors(sizes_);
  for (toy::Tensor& t : tensors) t = toy::random_tensor(t.name, t.shape, 77);
  toy::write_checkpoint(folder_ / "weights", config_, tensors);
  found = verify(out(), folder_ / "weights").failures;
  ASSERT_EQ(found.size(), 5u);
  EXPECT_THAT(found[0], AllOf(HasSubstr("is not what this was made from"), HasSubstr("not what is stored")));
}

TEST_F(VerifyTest, TakesANullForNoKeyAndANanForItself) {
  config_["quantization_config"] = nullptr;
  config_["rope_theta"] = std::numeric_limits<double>::quiet_NaN();
  toy::write_checkpoint(model(), config_, toy::llama_tensors(sizes_));
  compress("W8A8");
  EXPECT_THAT(failures(), IsEmpty());
  forget_writer();
  const VerifyReport report = verify(out(), model());
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_THAT(report.notes, Not(Contains(HasSubstr("config.json"))));
}

TEST_F(VerifyTest, ASourceWithABrokenQuantizationConfigIsRefused) {
  for (const Json& value : {Json::object(), Json(5), Json("x")}) {
    config_["quantization_config"] = value;
    toy::write_checkpoint(model(), config_, toy::llama_tensors(sizes_));
    try {
      compress("W8A8");
      ADD_FAILURE() << value;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_THAT(e.what(), HasSubstr("`quantization_config` is")) << value;
    }
  }
}

}  // namespace
}  // namespace tersor
