#include "tersor/io/hub_cache.h"

#include <cstdlib>

#include "temp_folder.h"
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/io/checkpoint.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A cache that holds org/name at commit c1 (main), and an environment that points to it alone.
class HubCacheTest : public ::testing::Test {
 protected:
  HubCacheTest() : before_(fs::current_path()) {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"})
      ::unsetenv(name);
    ::setenv("HOME", cache.path().c_str(), 1);
    ::setenv("HF_HUB_CACHE", cache.path().c_str(), 1);
    cache.write("models--org--name/refs/main", "c1");
    cache.write("models--org--name/refs/refs/pr/1", "c2\n");
    cache.write("models--org--name/blobs/h1", R"({"model_type": "llama"})");
    std::vector<TensorInfo> tensors = {{"a", DType::kU8, {1}}};
    cache.write("models--org--name/blobs/h2", layout_safetensors(tensors, {}) + "x");
    for (const char* commit : {"c1", "c2"}) {
      const fs::path snapshot = cache / fmt::format("models--org--name/snapshots/{}", commit);
      fs::create_directories(snapshot);
      fs::create_symlink("../../blobs/h1", snapshot / "config.json");
      fs::create_symlink("../../blobs/h2", snapshot / "model.safetensors");
    }
    // Relative names are looked up here, where there is nothing, nor is there above.
    fs::create_directories(cache / "above/here");
    fs::current_path(cache / "above/here");
  }
  void TearDown() override {
    fs::current_path(before_);
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"})
      ::unsetenv(name);
  }

  static std::string error_of(const std::string& model) {
    try {
      resolve_model_folder(model);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      return fmt::format("{} | {}", e.what(), e.help());
    }
    return "";
  }

  TempFolder cache;

 private:
  fs::path before_;
};

TEST_F(HubCacheTest, TheEnvironmentSaysWhereItIs) {
  EXPECT_EQ(hub_cache_folder(), cache.path());
  ::setenv("HF_HUB_CACHE", "~/hub", 1);
  EXPECT_EQ(hub_cache_folder(), cache / "hub");
  ::setenv("HUGGINGFACE_HUB_CACHE", "/former", 1);
  EXPECT_NE(hub_cache_folder(), "/former");
  ::unsetenv("HF_HUB_CACHE");
  EXPECT_EQ(hub_cache_folder(), "/former");
  ::unsetenv("HUGGINGFACE_HUB_CACHE");
  EXPECT_EQ(hub_cache_folder(), cache / ".cache/huggingface/hub");
  ::setenv("XDG_CACHE_HOME", "/xdg", 1);
  EXPECT_EQ(hub_cache_folder(), "/xdg/huggingface/hub");
  ::setenv("HF_HOME", "/hf", 1);
  EXPECT_EQ(hub_cache_folder(), "/hf/hub");
}

TEST_F(HubCacheTest, FindsSnapshotsByNameBranchAndCommit) {
  const fs::path snapshots = cache / "models--org--name/snapshots";
  EXPECT_EQ(resolve_model_folder("org/name"), snapshots / "c1");
  EXPECT_EQ(resolve_model_folder("org/name@main"), snapshots / "c1");
  EXPECT_EQ(resolve_model_folder("org/name@refs/pr/1"), snapshots / "c2");
  EXPECT_EQ(resolve_model_folder("org/name@c2"), snapshots / "c2");
  EXPECT_EQ(resolve_model_folder(cache.path().string()), cache.path());
}

TEST_F(HubCacheTest, LinksIntoBlobsAreFollowed) {
  const Checkpoint checkpoint = open_checkpoint("org/name");
  EXPECT_EQ(checkpoint.tensors.size(), 1u);
  EXPECT_EQ(checkpoint.shards[0].file_name, "model.safetensors");
  EXPECT_TRUE(checkpoint.other_files.empty());
  // A copy of the snapshot whose links still lead into the cache, as older `hf download --local-dir` made it.
  const TempFolder local;
  fs::create_symlink(cache / "models--org--name/blobs/h1", local / "config.json");
  fs::create_symlink(cache / "models--org--name/blobs/h2", local / "model.safetensors");
  EXPECT_EQ(open_checkpoint(local.path().string()).tensors.size(), 1u);
}

TEST_F(HubCacheTest, SaysWhatIsThereAndHowToDownload) {
  EXPECT_THAT(
      error_of("org/other"),
      AllOf(HasSubstr("there is no folder org/other, and the Hugging Face cache " + cache.path().string()),
            HasSubstr("`hf download org/other`")));
  EXPECT_THAT(error_of("org/name@v2"),
              AllOf(HasSubstr("holds org/name, but not its revision `v2`"),
                    HasSubstr("hf download org/name --revision v2"), HasSubstr("`main`"), HasSubstr("`c2`")));
  cache.write("models--org--name/refs/evil", "../../..");
  EXPECT_THAT(error_of("org/name@evil"), HasSubstr("does not hold a commit"));
  cache.write("models--org--name/refs/gone", "c9");
  EXPECT_THAT(error_of("org/name@gone"), AllOf(HasSubstr("not its revision `gone`"),
                                               HasSubstr("one that is there: `main`, `c1` or `c2`")));
  for (const char* name :
       {"/no/such/folder", "a/b/c", "../x", "org/..", "org/name@../x", "a b", "org/name@", "a//b"})
    EXPECT_THAT(error_of(name), HasSubstr("there is no folder")) << name;
  EXPECT_THAT(error_of(""), HasSubstr("empty"));
}

}  // namespace
}  // namespace tersor
