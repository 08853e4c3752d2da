// What is wrong with a model is told with the key, the tensor or the layer.
#include <cstring>
#include <filesystem>
#include <limits>

#include "temp_folder.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/base/float_types.h"
#include "tersor/io/file.h"
#include "tersor/modeling/evaluation.h"
#include "tersor/modeling/generation.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class BadInputTest : public ::testing::Test {
 protected:
  BadInputTest() {
    const fs::path golden = fs::path(TERSOR_SOURCE_DIR) / "tests/modeling/golden/llama3";
    for (const char* file : {"config.json", "model.safetensors"})
      fs::copy_file(golden / file, folder_ / file);
  }

  void set(const std::string& key, const Json& value) {
    Json config = read_json_file(folder_ / "config.json");
    if (value.is_discarded()) {
      config.erase(key);
    } else {
      config[key] = value;
    }
    write_file_atomically(folder_ / "config.json", dump_json(config));
  }
  void erase(const std::string& key) { set(key, Json(Json::value_t::discarded)); }

  // Overwrites the tensor's first element.
  void damage(const std::string& tensor, float value) {
    const Checkpoint checkpoint = open_checkpoint(path());
    const TensorInfo& info = checkpoint.info(checkpoint.tensors.at(tensor));
    std::array<std::byte, 4> bytes{};
    const uint16_t half = bfloat16_from(value).bits;
    if (info.dtype == DType::kF32) {
      std::memcpy(bytes.data(), &value, 4);
    } else {
      std::memcpy(bytes.data(), &half, 2);
    }
    const File file(folder_ / "model.safetensors", File::Open::kReadWrite);
    file.write_at(info.begin, std::span(bytes).first(dtype_size(info.dtype)));
  }

  std::string path() const { return (folder_ / "").string(); }

  template <typename F>
  std::string message_of(F&& f) {
    try {
      Model model(open_checkpoint(path()), *backend_);
      f(model);
    } catch (const Error& e) {
      EXPECT_FALSE(e.help().empty()) << e.what();
      return e.what();
    }
    return "no error";
  }
  std::string load_message() {
    return message_of([](Model& model) { model.load_all_layers(); });
  }

  TempFolder folder_;
  std::unique_ptr<Backend> backend_ = make_reference_backend();
  std::vector<int32_t> ids_ = {5, 17, 40, 3};
};

TEST_F(BadInputTest, TheModelItselfRuns) { EXPECT_EQ(load_message(), "no error"); }

TEST_F(BadInputTest, MissingKeysAreNamed) {
  for (const char* key :
       {"hidden_size", "vocab_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"}) {
    const Json before = read_json_file(folder_ / "config.json");
    erase(key);
    EXPECT_THAT(load_message(), HasSubstr(std::string("has no `") + key + "`"));
    write_file_atomically(folder_ / "config.json", dump_json(before));
  }
}

TEST_F(BadInputTest, WrongTypesAndValuesAreNamed) {
  const Json before = read_json_file(folder_ / "config.json");
  for (const auto& [key, value] : {std::pair<const char*, Json>{"hidden_size", "64"},
                                   {"hidden_size", 0},
                                   {"hidden_size", -1},
                                   {"hidden_size", uint64_t{1} << 60},
                                   {"num_hidden_layers", 1.5},
                                   {"rms_norm_eps", "small"},
                                   {"tie_word_embeddings", "yes"},
                                   {"hidden_act", 3}}) {
    set(key, value);
    EXPECT_THAT(load_message(), HasSubstr(std::string("`") + key + "` was expected to be")) << value;
    write_file_atomically(folder_ / "config.json", dump_json(before));
  }
  set("hidden_act", "prelu");
  EXPECT_THAT(load_message(), HasSubstr("activation `prelu` cannot be run"));
}

TEST_F(BadInputTest, ContradictionsAreTold) {
  const Json before = read_json_file(folder_ / "config.json");
  set("num_key_value_heads", 3);
  EXPECT_THAT(load_message(), HasSubstr("cannot share 3 key/value heads evenly"));
  write_file_atomically(folder_ / "config.json", dump_json(before));
  erase("head_dim");
  set("num_attention_heads", 7);
  set("num_key_value_heads", 7);
  EXPECT_THAT(load_message(), HasSubstr("is not a multiple of 7 heads"));
}

TEST_F(BadInputTest, ShapesAreHeldAgainstTheConfig) {
  const Json before = read_json_file(folder_ / "config.json");
  set("intermediate_size", before["intermediate_size"].get<size_t>() + 8);
  EXPECT_THAT(load_message(), HasSubstr("tensor `model.layers.0.mlp.gate_proj.weight` has shape"));
  EXPECT_THAT(load_message(), HasSubstr("config.json implies ["));
  write_file_atomically(folder_ / "config.json", dump_json(before));
  set("vocab_size", before["vocab_size"].get<size_t>() + 1);
  EXPECT_THAT(message_of([](Model&) {}), HasSubstr("tensor `model.embed_tokens.weight` has shape"));
  write_file_atomically(folder_ / "config.json", dump_json(before));
  set("num_hidden_layers", before["num_hidden_layers"].get<size_t>() + 1);
  EXPECT_THAT(load_message(), HasSubstr("which config.json implies"));
}

TEST_F(BadInputTest, AnUnknownArchitectureSaysWhatRuns) {
  set("model_type", "brand_new");
  EXPECT_THAT(load_message(), HasSubstr("models of type `brand_new` cannot be run; those that can: "));
}

TEST_F(BadInputTest, IdsBeyondTheVocabularyAreNamed) {
  for (const int32_t id : {-1, 1'000'000}) {
    EXPECT_THAT(message_of([&](Model& m) { generate(m, std::vector<int32_t>{id}, {}); }),
                HasSubstr("token id " + std::to_string(id) + " is not in the model's vocabulary"));
    EXPECT_THAT(message_of([&](Model& m) { evaluate(m, std::vector<int32_t>{1, id}, {}); }),
                HasSubstr("token id " + std::to_string(id) + " is not in the model's vocabulary"));
  }
}

TEST_F(BadInputTest, TheLayerThatIsNotFiniteIsNamed) {
  damage("model.layers.1.mlp.up_proj.weight", std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(message_of([&](Model& m) { generate(m, ids_, {}); }), HasSubstr("comes out of layer 1"));
  EXPECT_THAT(message_of([&](Model& m) { evaluate(m, ids_, {}); }),
              HasSubstr("after layer 1 the hidden states"));
}

TEST_F(BadInputTest, SoIsTheHead) {
  damage("model.norm.weight", std::numeric_limits<float>::infinity());
  EXPECT_THAT(message_of([&](Model& m) { generate(m, ids_, {}); }),
              HasSubstr("the final norm or the head makes"));
  EXPECT_THAT(message_of([&](Model& m) { evaluate(m, ids_, {}); }),
              HasSubstr("the final norm or the head makes"));
}

TEST_F(BadInputTest, TooFewTokensPredictNothing) {
  EXPECT_THAT(message_of([](Model& m) { evaluate(m, std::vector<int32_t>{5}, {}); }),
              HasSubstr("1 token in windows of 2048 predict nothing"));
  EXPECT_THAT(message_of([](Model& m) { generate(m, {}, {}); }), HasSubstr("the prompt has no tokens"));
}

}  // namespace
}  // namespace tersor
