#include "tersor/base/utf8.h"

#include <array>

#include <gtest/gtest.h>

namespace tersor {
namespace {

TEST(Utf8, RoundTripsEveryCodePoint) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    const std::string s = to_utf8(c);
    const bool surrogate = c >= 0xD800 && c < 0xE000;
    ASSERT_EQ(is_valid_utf8(s), !surrogate) << c;
    if (surrogate) continue;
    const char* p = s.data();
    ASSERT_EQ(decode_utf8(p), c);
    ASSERT_EQ(p, s.data() + s.size());
    ASSERT_EQ(utf8_length(s[0]), s.size());
    ASSERT_EQ(previous_utf8(p), s.data());
  }
}

TEST(Utf8, ReplacesMaximalParts) {
  const auto R = std::string("\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("abc"), "abc");
  EXPECT_EQ(replace_invalid_utf8("\x80"), R);
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF"), R + R);  // overlong
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                                 "A"),
            R + R + R + R + "A");                                      // Unicode 16, table 3-11
  EXPECT_EQ(replace_invalid_utf8("\xF4\x90\x80\x80"), R + R + R + R);  // above U+10FFFF
  EXPECT_EQ(replace_invalid_utf8("12345678\xE4\xB8"), "12345678" + R);
}

// All texts of three bytes of this alphabet: valid exactly when nothing is replaced.
TEST(Utf8, ValidityAndRepairAgree) {
  constexpr std::array<char, 14> kBytes = {'a',    '\x80', '\x8F', '\x90', '\x9F', '\xA0', '\xBF',
                                           '\xC1', '\xC2', '\xE0', '\xED', '\xEF', '\xF0', '\xF4'};
  for (size_t n = 0; n < 14 * 14 * 14 * 14; ++n) {
    std::string s;
    for (size_t i = 0, rest = n; i < 4; ++i, rest /= 14) s += kBytes[rest % 14];
    const std::string repaired = replace_invalid_utf8(s);
    ASSERT_EQ(is_valid_utf8(s), repaired == s);
    ASSERT_TRUE(is_valid_utf8(repaired));
  }
}

}  // namespace
}  // namespace tersor
