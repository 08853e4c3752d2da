#include "tersor/base/regex.h"

#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

TEST(Regex, MatchPrefixIsPythonsReMatch) {
  EXPECT_TRUE(Regex(".*mlp.gate$").match_prefix("model.layers.0.mlp.gate"));
  EXPECT_FALSE(Regex(".*mlp.gate$").match_prefix("model.layers.0.mlp.gate_proj"));
  EXPECT_TRUE(Regex(".*gate").match_prefix("mlp.gate_proj"));  // not anchored at the end
  EXPECT_FALSE(Regex("gate").match_prefix("mlp.gate"));        // anchored at the start
}

TEST(Regex, SearchGivesByteRange) {
  const auto range = Regex("b+").search("aabbbc");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 2u);
  EXPECT_EQ(range->second, 5u);
  EXPECT_FALSE(Regex("b+").search("aabbbc", 5));
  EXPECT_TRUE(Regex("\\p{L}+", Regex::Mode::kUnicode).search("1 \xC3\xA9t\xC3\xA9"));
}

TEST(Regex, MatchesEndBetweenCharacters) {
  EXPECT_THROW(Regex("\\C", Regex::Mode::kUnicode), Error);
  EXPECT_EQ(Regex(".", Regex::Mode::kUnicode).search("\xC3\xA9")->second, 2u);
}

TEST(Regex, LongMatchesNeedNoStack) {
  const std::string text(1'000'000, 'a');
  EXPECT_EQ(Regex("(?:[a-z]|[0-9])+", Regex::Mode::kUnicode).search(text)->second, text.size());
}

TEST(Regex, BrokenPatternNamesThePlace) {
  try {
    Regex("a(b");
    FAIL() << "compiled";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("a(b"), std::string::npos);
  }
}

TEST(Regex, RunawayPatternIsStopped) {
  EXPECT_THROW(Regex("(a+)+$").match_prefix(std::string(64, 'a') + "b"), Error);
}

TEST(Regex, ManySearchesShareTheirSteps) {
  const Regex slow("(?:a|a|b)*c|x");  // about 2^n steps before an x
  const std::string hard = std::string(14, 'a') + "x";
  uint64_t steps = 1'000'000;
  EXPECT_TRUE(slow.search(hard, 0, steps));
  EXPECT_LT(steps, 1'000'000u);
  EXPECT_THROW(for (int i = 0; i < 100; ++i) slow.search(hard, 0, steps), Error);
  const uint64_t left = steps;
  EXPECT_EQ(Regex("b+").search("aabbbc", 0, steps)->second, 5u);
  EXPECT_EQ(steps, left) << "what is easy costs nothing";
}

}  // namespace
}  // namespace tersor
