#include "tersor/base/text.h"

#include <gtest/gtest.h>

namespace tersor {
namespace {

TEST(Text, LowersAsciiAlone) {
  EXPECT_EQ(lower_case("W4A16_Asym Ä"), "w4a16_asym Ä");
  EXPECT_EQ(lower_case(""), "");
}

TEST(Text, FormatsBytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1234), "1.23 kB");
  EXPECT_EQ(format_bytes(57'000'000'000), "57.0 GB");
}

TEST(Text, ParsesBytes) {
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("1GiB"), 1u << 30);
  EXPECT_EQ(parse_bytes("1.5 gb"), 1'500'000'000u);
  EXPECT_EQ(parse_bytes("800MB"), 800'000'000u);
  for (const char* bad : {"", "GiB", "1 XB", "-1GB", "0", "nan", "inf", "1e300TB", "1GiB!"})
    EXPECT_EQ(parse_bytes(bad), std::nullopt) << bad;
}

TEST(Text, FormatsSecondsAndCounts) {
  EXPECT_EQ(format_seconds(0.0123), "12ms");
  EXPECT_EQ(format_seconds(4.14), "4.1s");
  EXPECT_EQ(format_seconds(200), "3m 20s");
  EXPECT_EQ(format_seconds(3720), "1h 02m");
  EXPECT_EQ(format_count(7), "7");
  EXPECT_EQ(format_count(1234567), "1,234,567");
}

TEST(Text, NearestNamesRankByDistance) {
  const std::vector<std::string> names = {"W4A16", "W8A16", "FP8_BLOCK", "FP8_DYNAMIC"};
  EXPECT_EQ(nearest_names("w4a61", names, 1), std::vector<std::string>{"W4A16"});
  EXPECT_EQ(nearest_names("FP8_BLOK", names, 1), std::vector<std::string>{"FP8_BLOCK"});
  EXPECT_TRUE(nearest_names("zzzzzzzzzz", names).empty());
}

TEST(Text, PrintableShowsControlBytesAndShortens) {
  EXPECT_EQ(without_controls("a\x1b[31m\n\tb\x7f\xC2\x9B\xC3\xA9\xC2"),
            "a\\x1B[31m\n\tb\\x7F\\xC2\\x9B\xC3\xA9\xC2");
  EXPECT_EQ(printable("model.\xC3\xA9"), "model.\xC3\xA9");
  EXPECT_EQ(printable(std::string_view("a\x1b[2Jb\0", 7)), "a\\x1B[2Jb\\x00");
  EXPECT_EQ(printable(std::string(300, 'x')), std::string(200, 'x') + "...");
}

TEST(Text, QuotedList) {
  const std::vector<std::string> names = {"a", "b", "c"};
  EXPECT_EQ(quoted_list(names), "`a`, `b` or `c`");
  EXPECT_EQ(quoted_list(std::span(names).first(1)), "`a`");
}

}  // namespace
}  // namespace tersor
