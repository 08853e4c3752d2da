#include "tersor/tokenizer/split_pattern.h"

#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/tokenizer/regex_dialect.h"

namespace tersor::tokenizer {
namespace {

using Strings = std::vector<std::string>;

Strings parts(std::string_view text, const SplitPattern& pattern, SplitBehavior behavior,
              bool invert = false) {
  Spans scratch, out;
  split(text, {0, static_cast<uint32_t>(text.size()), false}, pattern, behavior, invert, scratch, out);
  Strings strings;
  for (const Span& span : out) strings.emplace_back(span.in(text));
  return strings;
}

// The example of the reference's documentation.
TEST(Split, Behaviors) {
  const SplitPattern dash = SplitPattern::literal("-");
  const std::string_view text = "The-final--countdown";
  EXPECT_EQ(parts(text, dash, SplitBehavior::kRemoved), (Strings{"The", "final", "countdown"}));
  EXPECT_EQ(parts(text, dash, SplitBehavior::kIsolated),
            (Strings{"The", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(parts(text, dash, SplitBehavior::kMergedWithPrevious),
            (Strings{"The-", "final-", "-", "countdown"}));
  EXPECT_EQ(parts(text, dash, SplitBehavior::kMergedWithNext), (Strings{"The", "-final", "-", "-countdown"}));
  EXPECT_EQ(parts(text, dash, SplitBehavior::kContiguous), (Strings{"The", "-", "final", "--", "countdown"}));
  EXPECT_EQ(parts(text, dash, SplitBehavior::kRemoved, true), (Strings{"-", "-", "-"}));
}

TEST(Split, Edges) {
  const SplitPattern dash = SplitPattern::literal("-");
  for (const SplitBehavior b :
       {SplitBehavior::kRemoved, SplitBehavior::kIsolated, SplitBehavior::kMergedWithPrevious,
        SplitBehavior::kMergedWithNext, SplitBehavior::kContiguous}) {
    EXPECT_EQ(parts("", dash, b), Strings{});
    EXPECT_EQ(parts("a", dash, b), Strings{"a"});
    EXPECT_EQ(parts("-", dash, b), b == SplitBehavior::kRemoved ? Strings{} : Strings{"-"});
    EXPECT_EQ(parts("ab", SplitPattern::literal(""), b), Strings{"ab"});
  }
}

TEST(Split, EmptyMatchesCutButGiveNoParts) {
  EXPECT_EQ(parts("axxb", SplitPattern::regex("x*", "f"), SplitBehavior::kIsolated),
            (Strings{"a", "xx", "b"}));
  EXPECT_EQ(parts("äö", SplitPattern::regex("(?=ö)", "f"), SplitBehavior::kIsolated), (Strings{"ä", "ö"}));
  EXPECT_EQ(parts("a\nb", SplitPattern::regex("^", "f"), SplitBehavior::kRemoved), (Strings{"a\n", "b"}));
}

TEST(Split, RunawayPatternIsStopped) {
  EXPECT_THROW(
      parts(std::string(64, 'a') + "b", SplitPattern::regex("(a+)+$", "f"), SplitBehavior::kIsolated), Error);
}

TEST(RegexDialect, Translations) {
  EXPECT_EQ(oniguruma_to_pcre2("^a$"), "(?m)^a$");
  EXPECT_EQ(oniguruma_to_pcre2(R"(\s\p{L}\\s)"), R"((?m)[\x{9}-\x{D}\x{85}\p{Z}]\p{L}\\s)");
  EXPECT_EQ(oniguruma_to_pcre2(R"([^\s\h])"), R"((?m)[^\x{9}-\x{D}\x{85}\p{Z}0-9A-Fa-f])");
  EXPECT_EQ(oniguruma_to_pcre2("[a[bc]d]"), "(?m)[abcd]");
  EXPECT_EQ(oniguruma_to_pcre2("[^(a|[b])]"), "(?m)[^(a|b)]");
  EXPECT_EQ(oniguruma_to_pcre2("[]a]"), "(?m)[\\]a]");
  EXPECT_EQ(oniguruma_to_pcre2("[[:alpha:]_]"), "(?m)[[:alpha:]_]");
  EXPECT_EQ(oniguruma_to_pcre2(R"(\p{Han}\p{^Latin})"), R"((?m)\p{sc:Han}\p{^sc:Latin})");
  EXPECT_EQ(oniguruma_to_pcre2("[a-z&&[^aeiou]]+"), "(?m)(?:(?=[^aeiou])[a-z])+");
}

TEST(RegexDialect, IntersectionsMatch) {
  const SplitPattern consonants = SplitPattern::regex(R"([\p{L}&&[^aeiou]]+)", "f");
  EXPECT_EQ(parts("strange", consonants, SplitBehavior::kIsolated), (Strings{"str", "a", "ng", "e"}));
}

TEST(RegexDialect, Refusals) {
  EXPECT_THROW(oniguruma_to_pcre2("[a[^b]]"), Error);
  EXPECT_THROW(oniguruma_to_pcre2("[^a&&b]"), Error);
  EXPECT_THROW(oniguruma_to_pcre2("[a"), Error);
  EXPECT_THROW(oniguruma_to_pcre2("a\\"), Error);
  EXPECT_THROW(oniguruma_to_pcre2(std::string(1000, '[')), Error);
}

}  // namespace
}  // namespace tersor::tokenizer
