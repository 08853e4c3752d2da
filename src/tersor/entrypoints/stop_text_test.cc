#include "tersor/entrypoints/stop_text.h"

#include <random>

#include <gtest/gtest.h>

namespace tersor {
namespace {

TEST(StopText, HoldsBackWhatMayBecomeAStop) {
  StopText text({"\n\n", "END"});
  EXPECT_EQ(text.push("one\n"), "one");
  EXPECT_EQ(text.push("two E"), "\ntwo ");
  EXPECT_EQ(text.push("N"), "");
  EXPECT_EQ(text.push("T"), "ENT");
  EXPECT_EQ(text.push("E"), "");
  EXPECT_EQ(text.push("ND of it"), "");
  EXPECT_TRUE(text.found());
  EXPECT_EQ(text.push("more"), "");
  EXPECT_EQ(text.finish(), "");
}

TEST(StopText, GivesAllWhenNothingStops) {
  StopText text({"abc"});
  EXPECT_EQ(text.push("xab"), "x");
  EXPECT_EQ(text.finish(), "ab");
  StopText none({});
  EXPECT_EQ(none.push("abc"), "abc");
}

// Any cut into pieces gives what one character after the other gives.
TEST(StopText, PiecesDoNotMatter) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const auto letters = [&](size_t n) {
      std::string s(n, 'a');
      for (char& c : s) c = static_cast<char>('a' + random() % 2);
      return s;
    };
    const std::string whole = letters(12);
    const std::vector<std::string> stops = {letters(1 + random() % 5), letters(1 + random() % 5)};
    size_t at = std::string::npos;
    for (size_t end = 1; end <= whole.size() && at == std::string::npos; ++end) {
      for (const std::string& stop : stops) at = std::min(at, whole.substr(0, end).find(stop));
    }
    StopText text(stops);
    std::string got;
    for (size_t begin = 0; begin < whole.size();) {
      const size_t count = 1 + random() % 4;
      got += text.push(std::string_view(whole).substr(begin, count));
      begin += count;
    }
    got += text.finish();
    EXPECT_EQ(text.found(), at != std::string::npos);
    EXPECT_EQ(got, whole.substr(0, at));
  }
}

}  // namespace
}  // namespace tersor
