#include "tersor/tokenizer/bpe_merge.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tersor/tokenizer/vocabulary.h"
#include "tersor/tokenizer/word_cache.h"

namespace tersor::tokenizer {
namespace {

struct Merge {
  int32_t left, right, merged;
};

// Merges as the definition reads: rank after rank, from the left.
std::vector<int32_t> naive(std::vector<int32_t> ids, const std::vector<Merge>& merges) {
  for (bool again = true; again;) {
    again = false;
    for (size_t rank = 0; rank < merges.size() && !again; ++rank) {
      for (size_t i = 0; i + 1 < ids.size() && !again; ++i) {
        if (ids[i] != merges[rank].left || ids[i + 1] != merges[rank].right) continue;
        ids[i] = merges[rank].merged;
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        again = true;
      }
    }
  }
  return ids;
}

TEST(MergeWord, EqualsTheDefinition) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    // A random merge list over a small alphabet: each merge makes a new symbol of two known ones.
    const int alphabet = 2 + static_cast<int>(random() % 3);
    std::vector<Merge> merges;
    FlatMap64 map;
    std::map<std::pair<int32_t, int32_t>, bool> seen;
    for (int32_t next = alphabet; next < alphabet + 12; ++next) {
      const auto left = static_cast<int32_t>(random() % static_cast<uint32_t>(next));
      const auto right = static_cast<int32_t>(random() % static_cast<uint32_t>(next));
      if (std::exchange(seen[{left, right}], true)) continue;
      map.insert(uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right),
                 uint64_t{merges.size()} << 32 | static_cast<uint32_t>(next));
      merges.push_back({left, right, next});
    }
    // Lengths on both sides of where the method changes.
    for (const size_t length :
         {size_t{0}, size_t{1}, size_t{2}, size_t{7}, size_t{63}, size_t{64}, size_t{65}, size_t{200}}) {
      std::vector<int32_t> ids(length);
      for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint32_t>(alphabet));
      const std::vector<int32_t> expected = naive(ids, merges);
      ids.resize(merge_word(ids, map));
      ASSERT_EQ(ids, expected) << "round " << round << ", length " << length;
    }
  }
}

TEST(FlatMap64, EqualsStdMap) {
  std::mt19937_64 random(5);
  FlatMap64 map;
  std::map<uint64_t, uint64_t> expected;
  for (int i = 0; i < 20000; ++i) {
    const uint64_t key = random() % 5000 << (random() % 2 * 32);
    map.insert(key, static_cast<uint64_t>(i));
    expected[key] = static_cast<uint64_t>(i);
  }
  EXPECT_EQ(map.size(), expected.size());
  for (const auto& [key, value] : expected) {
    ASSERT_NE(map.find(key), nullptr);
    EXPECT_EQ(*map.find(key), value);
  }
  EXPECT_EQ(map.find(123456789), nullptr);
}

TEST(LoadUpTo8, ReadsNoFurther) {
  const std::string text = "\x01\x02\x03\x04\x05\x06\x07\x08";
  for (size_t n = 0; n <= 8; ++n) {
    uint64_t expected = 0;
    for (size_t i = n; i-- > 0;) expected = expected << 8 | static_cast<uint8_t>(text[i]);
    const std::string exact(text, 0, n);  // its own allocation: a sanitizer sees reads beyond
    EXPECT_EQ(load_up_to_8(exact.data(), n), expected);
  }
}

TEST(Vocabulary, FindsBothWays) {
  Vocabulary v;
  EXPECT_FALSE(v.find("a"));
  for (int32_t i = 0; i < 5000; ++i) v.add("token" + std::to_string(i), 3 * i);
  v.add("token7", 100000);
  EXPECT_EQ(v.size(), 5000u);
  EXPECT_EQ(v.id_limit(), 100001u);
  for (int32_t i = 0; i < 5000; ++i) {
    if (i == 7) continue;
    EXPECT_EQ(v.find("token" + std::to_string(i)), 3 * i);
    EXPECT_EQ(v.token(3 * i), "token" + std::to_string(i));
  }
  EXPECT_EQ(v.find("token7"), 100000);
  EXPECT_FALSE(v.token(1));
  EXPECT_FALSE(v.token(-1));
  EXPECT_FALSE(v.find(""));
}

// More words than places: what the cache gives back must be right, whatever it has forgotten.
TEST(WordCache, NeverLies) {
  WordCache cache;
  std::mt19937 random(9);
  size_t hits = 0;
  for (int i = 0; i < 200000; ++i) {
    const uint32_t n = random() % 40000;
    std::string word = std::to_string(n);
    word.resize(1 + n % WordCache::kMaxBytes, 'x');
    const std::vector<int32_t> ids(1 + n % WordCache::kMaxIds,
                                   static_cast<int32_t>(std::hash<std::string>{}(word) & 0xFFFF));
    const WordCache::Key key(word);
    const auto found = cache.find(key);
    if (!found.empty() && found.size() == ids.size()) {
      ++hits;
      ASSERT_EQ(std::vector<int32_t>(found.begin(), found.end()), ids);
    } else if (found.empty()) {
      cache.insert(key, ids);
    }
  }
  EXPECT_GT(hits, 1000u);
}

}  // namespace
}  // namespace tersor::tokenizer
