#include "tersor/io/checkpoint.h"

#include <array>

#include "temp_folder.h"
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A safetensors file of bf16 tensors [2, 2], zeros.
std::string shard(const std::vector<std::string>& names) {
  std::vector<TensorInfo> tensors;
  for (const std::string& name : names) tensors.push_back({name, DType::kBF16, {2, 2}});
  std::string file = layout_safetensors(tensors, {{"format", "pt"}});
  file.append(8 * names.size(), '\0');
  return file;
}

// A checkpoint of two shards with tensors a, b | c.
class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() {
    folder.write("config.json", R"({"model_type": "llama"})");
    folder.write(kFirst, shard({"a", "b"}));
    folder.write(kSecond, shard({"c"}));
    write_index({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}});
  }

  void write_index(const std::map<std::string, std::string>& weight_map) const {
    folder.write(kIndex, Json{{"metadata", {{"total_size", 24}}}, {"weight_map", weight_map}}.dump());
  }

  // "message | help" of opening the folder; empty when it opens.
  std::string error() const {
    try {
      open_checkpoint(folder.path().string());
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      return fmt::format("{} | {}", e.what(), e.help());
    }
    return "";
  }

  static constexpr const char* kFirst = "model-00001-of-00002.safetensors";
  static constexpr const char* kSecond = "model-00002-of-00002.safetensors";
  static constexpr const char* kIndex = "model.safetensors.index.json";
  TempFolder folder;
};

TEST_F(CheckpointTest, OpensShardsWithAnIndex) {
  folder.write("tokenizer.json", "{}");
  const Checkpoint checkpoint = open_checkpoint(folder.path().string());
  EXPECT_EQ(checkpoint.folder, folder.path());
  EXPECT_EQ(checkpoint.config["model_type"], "llama");
  EXPECT_TRUE(checkpoint.has_index);
  EXPECT_EQ(checkpoint.index_metadata["total_size"], 24);
  ASSERT_EQ(checkpoint.shards.size(), 2u);
  EXPECT_EQ(checkpoint.shards[1].file_name, kSecond);
  ASSERT_EQ(checkpoint.tensors.size(), 3u);
  EXPECT_EQ(checkpoint.info(checkpoint.tensors.at("c")).name, "c");
  EXPECT_EQ(checkpoint.tensors.at("c").shard, 1u);
  ASSERT_EQ(checkpoint.other_files.size(), 1u);
  EXPECT_EQ(checkpoint.other_files[0].relative_path, "tokenizer.json");
  EXPECT_EQ(checkpoint.other_files[0].bytes, 2u);
  EXPECT_TRUE(checkpoint.skipped_files.empty());
}

TEST_F(CheckpointTest, OpensShardsAndSingleFilesWithoutAnIndex) {
  fs::remove(folder / kIndex);
  EXPECT_EQ(open_checkpoint(folder.path().string()).shards.size(), 2u);
  EXPECT_FALSE(open_checkpoint(folder.path().string()).has_index);
  fs::remove(folder / kFirst);
  fs::rename(folder / kSecond, folder / "model.safetensors");
  EXPECT_EQ(open_checkpoint(folder.path().string()).shards.size(), 1u);
  fs::rename(folder / "model.safetensors", folder / "weights.safetensors");
  EXPECT_EQ(open_checkpoint(folder.path().string()).shards.size(), 1u);
}

TEST_F(CheckpointTest, AnIndexDecidesWhichFilesAreShards) {
  folder.write("model.safetensors", "stale, and never looked at");
  folder.write("consolidated.safetensors", "as Mistral's repositories have it");
  const Checkpoint checkpoint = open_checkpoint(folder.path().string());
  EXPECT_EQ(checkpoint.shards.size(), 2u);
  ASSERT_EQ(checkpoint.skipped_files.size(), 2u);
  EXPECT_EQ(checkpoint.skipped_files[0].relative_path, "consolidated.safetensors");
  EXPECT_EQ(checkpoint.skipped_files[1].relative_path, "model.safetensors");
  EXPECT_THAT(checkpoint.skipped_files[1].reason, HasSubstr("no index names it"));
}

TEST_F(CheckpointTest, CarriesFilesOfSubFoldersAndLeavesOtherWeights) {
  folder.write("chat_template.jinja", "x");
  folder.write("1_Pooling/config.json", "{}");
  folder.write("2_Dense/model.safetensors", shard({"linear"}));
  folder.write("modules.json", R"([{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Dense"}, 7])");
  folder.write("original/consolidated.00.pth", "x");
  folder.write("original/params.json", "{}");
  folder.write("onnx/model.onnx", "x");
  folder.write("pytorch_model.bin", "x");
  folder.write("pytorch_model.bin.index.json", "{}");
  folder.write("model.Q4_K_M.GGUF", "x");
  folder.write("spk_dict.pt", "x");
  folder.write("speech-lora/adapter_model.safetensors", "x");
  folder.write(".git/HEAD", "x");
  folder.write(".gitattributes", "x");
  folder.write("code/.cache/x", "x");
  fs::create_symlink("chat_template.jinja", folder / "template_link");
  fs::create_directory_symlink(".", folder / "loop");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);

  const Checkpoint checkpoint = open_checkpoint(folder.path().string());
  std::vector<std::string> carried, left;
  for (const OtherFile& file : checkpoint.other_files) carried.push_back(file.relative_path);
  for (const SkippedFile& file : checkpoint.skipped_files) {
    left.push_back(file.relative_path);
    EXPECT_FALSE(file.reason.empty());
  }
  EXPECT_THAT(carried, ElementsAre("1_Pooling/config.json", "2_Dense/model.safetensors",
                                   "chat_template.jinja", "modules.json", "original/params.json",
                                   "speech-lora/adapter_model.safetensors", "spk_dict.pt", "template_link"));
  EXPECT_THAT(left, ElementsAre(".git", ".gitattributes", "code/.cache", "loop", "model.Q4_K_M.GGUF",
                                "onnx/model.onnx", "original/consolidated.00.pth", "pipe",
                                "pytorch_model.bin", "pytorch_model.bin.index.json"));
}

TEST_F(CheckpointTest, RefusesAnIndexThatDoesNotFit) {
  write_index({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}, {"d", "model-00003-of-00003.safetensors"}});
  EXPECT_THAT(error(), AllOf(HasSubstr("names 3 files, 1 of them absent from the folder: "
                                       "`model-00003-of-00003.safetensors`"),
                             HasSubstr("the download is incomplete: run it again")));
  write_index({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}, {"d", kSecond}});
  EXPECT_THAT(error(),
              HasSubstr(fmt::format("tensor `d` is said to be in {}, but no shard holds it", kSecond)));
  write_index({{"a", kSecond}, {"b", kFirst}, {"c", kSecond}});
  EXPECT_THAT(error(),
              HasSubstr(fmt::format("tensor `a` is said to be in {}, but it is in {}", kSecond, kFirst)));
  write_index({{"a", kFirst}, {"b", kFirst}});
  EXPECT_THAT(error(), HasSubstr(fmt::format("{}: no entry of the index names this shard", kSecond)));
  for (const char* path :
       {"../x.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..", "x.bin", ""}) {
    write_index({{"a", path}, {"b", kFirst}, {"c", kSecond}});
    EXPECT_THAT(error(), HasSubstr("tensor `a` is said to be in `")) << path;
  }
  folder.write(kIndex, "{}");
  EXPECT_THAT(error(), HasSubstr("no `weight_map`"));
  folder.write(kIndex, R"({"weight_map": {}})");
  EXPECT_THAT(error(), HasSubstr("`weight_map` is empty"));
  fs::remove(folder / kIndex);
  fs::create_directory(folder / kIndex);
  EXPECT_THAT(error(), HasSubstr("model.safetensors.index.json is a folder"));
}

TEST_F(CheckpointTest, RefusesATensorInTwoShards) {
  folder.write(kSecond, shard({"a", "c"}));
  EXPECT_THAT(error(), HasSubstr(fmt::format("tensor `a` is in two shards, {} and {}", kFirst, kSecond)));
  fs::remove(folder / kIndex);  // a stale single file beside shards, and no index to decide
  folder.write(kSecond, shard({"c"}));
  folder.write("model.safetensors", shard({"a", "b", "c"}));
  EXPECT_THAT(error(),
              HasSubstr(fmt::format("tensor `a` is in two shards, {} and model.safetensors", kFirst)));
}

TEST_F(CheckpointTest, NamesTheFirstBrokenShard) {
  for (int round = 0; round < 20; ++round) {
    folder.write(kFirst, shard({"a", "b"}).substr(0, 100));
    folder.write(kSecond, "");
    EXPECT_THAT(error(), HasSubstr(fmt::format("{} has 100 bytes, its header", kFirst)));
  }
}

TEST_F(CheckpointTest, RefusesABadConfig) {
  for (const char* text : {"[]", "7", "null", "\"x\""}) {
    folder.write("config.json", text);
    EXPECT_THAT(error(), HasSubstr("config.json was expected to hold a JSON object")) << text;
  }
  folder.write("config.json", "{");
  EXPECT_THAT(error(), HasSubstr("config.json: ends in the middle, at line 1, column 2"));
  fs::remove(folder / "config.json");
  EXPECT_THAT(error(), HasSubstr("holds no config.json | give the folder"));
  folder.write("params.json", "{}");
  EXPECT_THAT(error(), HasSubstr("its maker's own format"));
  folder.write("adapter_config.json", "{}");
  EXPECT_THAT(error(), HasSubstr("merge it into its base model"));
  fs::create_directory(folder / "config.json");
  EXPECT_THAT(error(), HasSubstr("config.json is a folder"));
}

TEST_F(CheckpointTest, RefusesFoldersWithoutSafetensors) {
  for (const char* name : {kFirst, kSecond, kIndex}) fs::remove(folder / name);
  EXPECT_THAT(error(), HasSubstr("holds no safetensors file |"));
  folder.write("consolidated.safetensors", "x");
  EXPECT_THAT(error(), HasSubstr("their maker's own tensor names"));
  folder.write("pytorch_model.bin", "x");
  EXPECT_THAT(error(), AllOf(HasSubstr("only pickled weights"), HasSubstr("safe_serialization")));
  const TempFolder empty;
  EXPECT_THROW(open_checkpoint(empty.path().string()), Error);
  EXPECT_THROW(open_checkpoint((empty / "absent").string()), Error);
  EXPECT_THROW(open_checkpoint((folder / "config.json").string()), Error);
}

TEST_F(CheckpointTest, RefusesShardsThatAreNoFiles) {
  fs::remove(folder / kSecond);
  fs::create_directory(folder / kSecond);
  EXPECT_THAT(error(), HasSubstr(fmt::format("{} is a folder", kSecond)));
  fs::remove(folder / kSecond);
  ASSERT_EQ(::mkfifo((folder / kSecond).c_str(), 0600), 0);  // opening it would wait for a writer
  EXPECT_THAT(error(), HasSubstr(fmt::format("{} is a pipe", kSecond)));
  fs::remove(folder / kSecond);
  fs::create_symlink("/dev/zero", folder / kSecond);
  EXPECT_THAT(error(), HasSubstr(fmt::format("{} is a device", kSecond)));
  fs::remove(folder / kSecond);
  fs::create_symlink(kSecond, folder / kSecond);
  EXPECT_THAT(error(), HasSubstr(kSecond));
}

TEST_F(CheckpointTest, RefusesLinksOutOfTheFolder) {
  const TempFolder other;
  other.write("secret", "x");
  fs::create_symlink(other / "secret", folder / "tokenizer.json");
  EXPECT_THAT(error(),
              HasSubstr("tokenizer.json is a link out of the folder, to " + (other / "secret").string()));
  fs::remove(folder / "tokenizer.json");
  fs::rename(folder / kSecond, other / "c");
  fs::create_symlink(other / "c", folder / kSecond);
  EXPECT_THAT(error(), HasSubstr(fmt::format("{} is a link out of the folder", kSecond)));
  fs::remove(folder / kSecond);
  fs::rename(other / "c", folder / "c");
  fs::create_symlink("c", folder / kSecond);  // inside is fine
  EXPECT_EQ(error(), "");
  fs::remove(folder / "c");
  EXPECT_THAT(error(), HasSubstr(fmt::format("{} is a link to nothing", kSecond)));
}

}  // namespace
}  // namespace tersor
