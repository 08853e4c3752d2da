#include "tersor/datasets/token_cache.h"

#include <cstdlib>

#include "temp_folder.h"
#include <gtest/gtest.h>

#include "tersor/io/file.h"

namespace tersor::datasets {
namespace {

CachedSamples some_samples() {
  CachedSamples cached{
      .samples = {.ids = {{1, 2, 3}, {}, {-1, 2147483647}}, .documents_read = 9, .too_short = 2},
      .documents = 50};
  return cached;
}

TEST(TokenCache, GivesBackWhatWasPut) {
  const TempFolder folder;
  const auto file = folder / "a/b/key.tokens";
  bool damaged = true;
  EXPECT_FALSE(read_token_cache(file, damaged));
  EXPECT_FALSE(damaged);
  write_token_cache(file, some_samples());
  const auto cached = read_token_cache(file, damaged);
  ASSERT_TRUE(cached);
  EXPECT_FALSE(damaged);
  EXPECT_EQ(cached->samples.ids, some_samples().samples.ids);
  EXPECT_EQ(cached->samples.documents_read, 9u);
  EXPECT_EQ(cached->samples.too_short, 2u);
  EXPECT_EQ(cached->documents, 50u);
}

TEST(TokenCache, EveryFlippedBitAndEveryCutIsFound) {
  const std::string good = pack_samples(some_samples());
  ASSERT_TRUE(unpack_samples(good));
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 1 << bit);
      EXPECT_FALSE(unpack_samples(bad)) << i;
    }
    EXPECT_FALSE(unpack_samples(good.substr(0, i)));
  }
  EXPECT_FALSE(unpack_samples(good + '\0'));
}

TEST(TokenCache, ADamagedFileIsSaidToBe) {
  const TempFolder folder;
  bool damaged = false;
  EXPECT_FALSE(read_token_cache(folder.write("key.tokens", "TRSRTOK1"), damaged));
  EXPECT_TRUE(damaged);
}

TEST(TokenCache, APlaceThatCannotBeWrittenIsNoError) {
  const TempFolder folder;
  write_token_cache(folder.write("file", "x") / "key.tokens", some_samples());
  write_token_cache({}, some_samples());
}

TEST(TokenCache, FilesAreToldApartByTheirContents) {
  const TempFolder folder;
  const auto a = folder.write("a", "one"), b = folder.write("b", "two"), c = folder.write("c", "one");
  const auto ab = folder.write("ab", "onetwo"), none = folder.write("none", "");
  EXPECT_EQ(hash_of_files({a}), hash_of_files({c}));
  EXPECT_NE(hash_of_files({a}), hash_of_files({b}));
  EXPECT_NE(hash_of_files({a, b}), hash_of_files({b, a}));
  EXPECT_NE(hash_of_files({a, b}), hash_of_files({ab}));
  EXPECT_NE(hash_of_files({a, none}), hash_of_files({a}));
}

}  // namespace
}  // namespace tersor::datasets
