// Every hand-written matcher against PCRE2 with the same pattern.
//
// PCRE2's Unicode tables may be older than ours, so random text leaves out characters whose category is not
// the same in both.
#include "tersor/tokenizer/known_splits.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tersor/base/regex.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/random_text_for_test.h"
#include "tersor/tokenizer/regex_dialect.h"
#include "tersor/tokenizer/unicode.h"

namespace tersor::tokenizer {
namespace {

// What PCRE2 sees a character as, in the classes that patterns name.
class Agreement {
 public:
  static const Agreement& get() {
    static const Agreement agreement;
    return agreement;
  }
  bool operator()(uint32_t c) const { return agrees_[c]; }
  size_t count() const { return static_cast<size_t>(std::count(agrees_.begin(), agrees_.end(), true)); }

 private:
  Agreement() : agrees_(0x110000, false) {
    std::string text;
    std::vector<uint32_t> code_points, starts;
    for (uint32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      starts.push_back(static_cast<uint32_t>(text.size()));
      code_points.push_back(c);
      append_utf8(text, c);
    }
    starts.push_back(static_cast<uint32_t>(text.size()));
    std::vector<CharClass> theirs(code_points.size(), 0);
    const std::pair<const char*, CharClass> kClasses[] = {
        {R"([\p{Lu}\p{Lt}]+)", kUpper}, {R"(\p{Ll}+)", kLower}, {R"([\p{Lm}\p{Lo}]+)", kOtherLetter},
        {R"(\p{M}+)", kMark},           {R"(\p{N}+)", kNumber}, {R"(\p{P}+)", kPunctuation},
        {R"(\p{S}+)", kSymbol},         {R"(\s+)", kSpace}};
    for (const auto& [pattern, bit] : kClasses) {
      const Regex regex(oniguruma_to_pcre2(pattern), Regex::Mode::kUnicode);
      size_t i = 0;
      for (auto m = regex.search(text, 0); m; m = regex.search(text, m->second)) {
        while (starts[i] < m->first) ++i;
        for (; i < code_points.size() && starts[i] < m->second; ++i) theirs[i] |= bit;
        if (m->second == text.size()) break;
      }
    }
    constexpr CharClass kCompared = kLetter | kMark | kNumber | kPunctuation | kSymbol | kSpace;
    for (size_t i = 0; i < code_points.size(); ++i) {
      agrees_[code_points[i]] = (char_class(code_points[i]) & kCompared) == theirs[i];
    }
  }
  std::vector<bool> agrees_;
};

Spans by_regex(const Regex& regex, std::string_view text) {
  Spans out;
  uint32_t gap = 0;
  size_t at = 0;
  while (at < text.size()) {
    const auto m = regex.search(text, at);
    if (!m) break;
    const auto begin = static_cast<uint32_t>(m->first), end = static_cast<uint32_t>(m->second);
    if (gap != begin) out.push_back({gap, begin, false});
    out.push_back({begin, end, true});
    at = gap = end;
  }
  if (gap != text.size()) out.push_back({gap, static_cast<uint32_t>(text.size()), false});
  return out;
}

std::string shown(const Spans& spans, std::string_view text) {
  std::string out;
  for (const Span& s : spans)
    out += std::string(s.matched ? "[" : "(") + std::string(s.in(text)) + (s.matched ? "]" : ")");
  return out;
}

class KnownSplit : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, KnownSplit, testing::ValuesIn(known_split_patterns()),
                         [](const auto& p) { return "pattern" + std::to_string(p.index); });

TEST_P(KnownSplit, EqualsPcre2OnRandomText) {
  const SplitFunction split = find_known_split(GetParam());
  ASSERT_NE(split, nullptr);
  const Regex regex(oniguruma_to_pcre2(GetParam()), Regex::Mode::kUnicode);
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    const std::string text = random_text(random, 1 + random() % 60, Agreement::get());
    Spans ours;
    split(text, 0, ours);
    const Spans theirs = by_regex(regex, text);
    ASSERT_EQ(shown(ours, text), shown(theirs, text));
    ASSERT_EQ(ours, theirs);
  }
}

// All texts of up to five of these characters: one for each class that any pattern tells apart.
TEST_P(KnownSplit, EqualsPcre2OnAllShortTexts) {
  const SplitFunction split = find_known_split(GetParam());
  const Regex regex(oniguruma_to_pcre2(GetParam()), Regex::Mode::kUnicode);
  const std::string characters[] = {" ", "\n", "\r", "\t",     "'",      "s",      "L",      "l",
                                    "7", "/",  "$",  "\u0301", "\u01C5", "\u4E2D", "\u2003", "\u200B"};
  constexpr size_t kCount = std::size(characters);
  Spans ours;
  for (size_t length = 1; length <= 5; ++length) {
    size_t combinations = 1;
    for (size_t i = 0; i < length; ++i) combinations *= kCount;
    const size_t step = length == 5 ? 7 : 1;  // a seventh of the longest
    for (size_t n = 0; n < combinations; n += step) {
      std::string text;
      for (size_t i = 0, rest = n; i < length; ++i, rest /= kCount) text += characters[rest % kCount];
      ours.clear();
      split(text, 0, ours);
      ASSERT_EQ(shown(ours, text), shown(by_regex(regex, text), text));
    }
  }
}

TEST(KnownSplits, MostCharactersAreCompared) { EXPECT_GT(Agreement::get().count(), size_t{1'090'000}); }

TEST(KnownSplits, RawLineEndsInAPatternCountAsEscapes) {
  for (const std::string& pattern : known_split_patterns()) {
    std::string raw = pattern;
    for (size_t at; (at = raw.find("\\r")) != std::string::npos;) raw.replace(at, 2, "\r");
    for (size_t at; (at = raw.find("\\n")) != std::string::npos;) raw.replace(at, 2, "\n");
    EXPECT_EQ(find_known_split(raw), find_known_split(pattern));
  }
  EXPECT_EQ(find_known_split("something else"), nullptr);
}

TEST(KnownSplits, OffsetsAreMoved) {
  Spans spans;
  find_known_split(kGpt2Pattern)("a b", 10, spans);
  EXPECT_EQ(spans, (Spans{{10, 11, true}, {11, 13, true}}));
}

}  // namespace
}  // namespace tersor::tokenizer
