#include "tersor/tokenizer/unicode.h"

#include <gtest/gtest.h>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/unicode_normalize.h"

namespace tersor::tokenizer {
namespace {

// Counts that DerivedGeneralCategory.txt of Unicode 16.0 states.
TEST(CharTable, CountsOfUnicode16) {
  const auto count = [](CharClass wanted) {
    size_t n = 0;
    for (uint32_t c = 0; c < 0x110000; ++c) n += (char_class(c) & wanted) != 0;
    return n;
  };
  EXPECT_EQ(count(kUpper), 1858u + 31u);  // Lu, Lt
  EXPECT_EQ(count(kLower), 2258u);
  EXPECT_EQ(count(kOtherLetter), 404u + 136477u);  // Lm, Lo
  EXPECT_EQ(count(kMark), 2501u);
  EXPECT_EQ(count(kNonspacing), 2020u);
  EXPECT_EQ(count(kNumber), 1911u);
  EXPECT_EQ(count(kPunctuation), 855u);
  EXPECT_EQ(count(kSymbol), 8514u);
  EXPECT_EQ(count(kSpace), 25u);
  EXPECT_EQ(count(kNewline), 2u);
  EXPECT_EQ(count(kAsciiPunctuation), 32u);
  EXPECT_EQ(count(kWord), 144671u);
}

TEST(CharTable, Samples) {
  EXPECT_TRUE(char_class('a') & kLower);
  EXPECT_TRUE(char_class(0x1C5) & kUpper);  // Lt
  EXPECT_TRUE(char_class(0x4E2D) & kOtherLetter);
  EXPECT_TRUE(char_class(0x85) & kSpace);
  EXPECT_FALSE(char_class(0x180E) & kSpace);
  EXPECT_TRUE(char_class('_') & kWord);
  EXPECT_TRUE(is_punctuation('$'));
  EXPECT_FALSE(is_punctuation(0x20AC));
}

std::string normalized(std::string_view text, NormalForm form) {
  std::string out;
  append_normalized(text, form, out);
  return out;
}

TEST(Normalize, Samples) {
  EXPECT_EQ(normalized("e\u0301a", NormalForm::kNfc), "\u00E9a");
  EXPECT_EQ(normalized("\u00E9", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(normalized("q\u0307\u0323", NormalForm::kNfc), "q\u0323\u0307");
  EXPECT_EQ(normalized("\uFB01\u00BD", NormalForm::kNfkc), "fi1\u20442");
  EXPECT_EQ(normalized("\u1112\u1161\u11AB", NormalForm::kNfc), "\uD55C");
  EXPECT_EQ(normalized("\uD55C", NormalForm::kNfd), "\u1112\u1161\u11AB");
  EXPECT_EQ(normalized("\u212B", NormalForm::kNfc), "\u00C5");
  EXPECT_EQ(normalized("\u32FF", NormalForm::kNfkc), "\u32FF");  // newer than the reference's tables
}

// A text is its normal form exactly when the quick check says so, or after the full check; and normal forms
// are stable.
TEST(Normalize, QuickCheckIsSafe) {
  for (const NormalForm form : {NormalForm::kNfc, NormalForm::kNfd, NormalForm::kNfkc, NormalForm::kNfkd}) {
    for (uint32_t c = 1; c < 0x30000; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      for (const std::string& text : {to_utf8(c), "a" + to_utf8(c), to_utf8(c) + "\u0301"}) {
        const std::string normal = normalized(text, form);
        if (normalized_prefix(text, form) == text.size()) {
          ASSERT_EQ(normal, text) << c;
        }
        ASSERT_EQ(normalized(normal, form), normal) << c;
      }
    }
  }
}

TEST(Normalize, Graphemes) {
  EXPECT_EQ(grapheme_length("ab"), 1u);
  EXPECT_EQ(grapheme_length("\r\n"), 2u);
  EXPECT_EQ(grapheme_length("e\u0301x"), 3u);
  EXPECT_EQ(grapheme_length("\U0001F468\u200D\U0001F469x"), 11u);
}

TEST(Normalize, LowerCase) {
  const auto lower = [](uint32_t c) {
    std::string out;
    append_lower_case(c, out);
    return out;
  };
  EXPECT_EQ(lower('A'), "a");
  EXPECT_EQ(lower(0xC9), "\u00E9");
  EXPECT_EQ(lower(0x130), "i\u0307");
  EXPECT_EQ(lower(0x10D50), to_utf8(0x10D70));
  EXPECT_EQ(lower('1'), "1");
}

}  // namespace
}  // namespace tersor::tokenizer
