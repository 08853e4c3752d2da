// Each pattern is an ordered alternation; each matcher tries the alternatives in that order at one place, and
// settles by look-ahead what a regular-expression engine settles by backtracking. The comments quote the
// alternative that a step stands for. known_splits_test.cc holds every matcher against PCRE2 on random text.
#include "tersor/tokenizer/known_splits.h"

#include <array>

#include "tersor/tokenizer/char_scanner.h"

namespace tersor::tokenizer {

const std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

// Runs `match(scanner, p)`, which gives the end of the match that starts at p or null, over the text.
template <class Matcher>
void split_with(std::string_view text, uint32_t offset, Spans& out, Matcher match) {
  const CharScanner s(text);
  const char* gap = s.begin();
  const auto emit = [&](const char* from, const char* to, bool matched) {
    out.push_back({offset + static_cast<uint32_t>(from - s.begin()),
                   offset + static_cast<uint32_t>(to - s.begin()), matched});
  };
  for (const char* p = s.begin(); p != s.end();) {
    const char* end = match(s, p);
    if (end == nullptr) {
      p = s.next(p);
      continue;
    }
    if (gap != p) emit(gap, p, false);
    emit(p, end, true);
    gap = p = end;
  }
  if (gap != s.end()) emit(gap, s.end(), false);
}

enum class Case { kExact, kAny };

// 's|'t|'re|'ve|'m|'ll|'d at `p`, or null. Without case, the long s (U+017F) is an s too.
const char* contraction(const CharScanner& s, const char* p, Case letters) {
  if (p == s.end() || *p != '\'') return nullptr;
  const size_t left = static_cast<size_t>(s.end() - p);
  const auto letter = [&](size_t i) -> char {
    if (left <= i) return '\0';
    return letters == Case::kAny && p[i] >= 'A' && p[i] <= 'Z' ? static_cast<char>(p[i] + ('a' - 'A')) : p[i];
  };
  switch (letter(1)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return p + 2;
    case 'r':
    case 'v':
      return letter(2) == 'e' ? p + 3 : nullptr;
    case 'l':
      return letter(2) == 'l' ? p + 3 : nullptr;
    default:
      break;
  }
  if (letters == Case::kAny && left >= 3 && p[1] == '\xC5' && p[2] == '\xBF') return p + 3;
  return nullptr;
}

// \s+(?!\S)|\s+ : a run of white space, less its last character where something follows it.
const char* whitespace(const CharScanner& s, const char* p) {
  const char* end = s.run(p, kSpace);
  if (end == p) return nullptr;
  if (end == s.end()) return end;
  const char* last = previous_utf8(end);
  return last == p ? end : last;
}

// \s*[\r\n]+|\s+(?!\S)|\s+ : up to the last line end of a run of white space, where it has one.
const char* lines_or_whitespace(const CharScanner& s, const char* p) {
  const char* end = s.run(p, kSpace);
  if (end == p) return nullptr;
  for (const char* q = end; q != p; --q) {
    if (q[-1] == '\n' || q[-1] == '\r') return q;
  }
  if (end == s.end()) return end;
  const char* last = previous_utf8(end);
  return last == p ? end : last;
}

// \p{N}{1,most}
const char* digits(const CharScanner& s, const char* p, int most) {
  const char* end = p;
  for (int i = 0; i < most && (s.at(end) & kNumber); ++i) end = s.next(end);
  return end == p ? nullptr : end;
}

const char* run_of(const char* p, const char* end, std::string_view wanted) {
  while (p != end && wanted.find(*p) != std::string_view::npos) ++p;
  return p;
}

// --- GPT-2 ---

const char* match_gpt2(const CharScanner& s, const char* p) {
  if (const char* end = contraction(s, p, Case::kExact)) return end;
  const char* word = *p == ' ' ? p + 1 : p;
  const CharClass k = s.at(word);
  if (word != s.end() && !(k & kSpace)) {
    if (k & kLetter) return s.run(word, kLetter);            //  ?\p{L}+
    if (k & kNumber) return s.run(word, kNumber);            //  ?\p{N}+
    return s.run_without(word, kSpace | kLetter | kNumber);  //  ?[^\s\p{L}\p{N}]+
  }
  return whitespace(s, p);
}

// --- GPT-4 (cl100k), Llama 3, Qwen 2 and 3 ---

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?WORD+|\p{N}{1,MOST}| ?[^\s WORD
// \p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
template <CharClass kWordClass, int kMostDigits>
const char* match_gpt4(const CharScanner& s, const char* p) {
  if (const char* end = contraction(s, p, Case::kAny)) return end;
  const CharClass k = s.at(p);
  if (k & kWordClass) return s.run(p, kWordClass);
  const char* second = s.next(p);
  if (!(k & (kNewline | kNumber)) && (s.at(second) & kWordClass)) return s.run(second, kWordClass);
  if (k & kNumber) return digits(s, p, kMostDigits);
  constexpr CharClass kNotSymbol = kSpace | kWordClass | kNumber;
  const char* symbols = *p == ' ' ? second : p;
  if (const char* end = s.run_without(symbols, kNotSymbol); end != symbols) return s.run(end, kNewline);
  return lines_or_whitespace(s, p);
}

// --- GPT-4o (o200k), gpt-oss, Llama 4, Mistral's Tekken ---

constexpr CharClass kHead = kUpper | kOtherLetter | kMark;  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
constexpr CharClass kTail = kLower | kOtherLetter | kMark;  // [\p{Ll}\p{Lm}\p{Lo}\p{M}]

// HEAD*TAIL+ : the heads run as far as they can; where no tail follows, they give back down to the last head
// that is a tail too, and the word ends with it.
const char* word_with_tail(const CharScanner& s, const char* p) {
  const char* heads = s.run(p, kHead);
  if (s.at(heads) & kTail) return s.run(heads, kTail);
  for (const char* q = heads; q != p; q = previous_utf8(q)) {
    if (s.at(previous_utf8(q)) & kTail) return q;
  }
  return nullptr;
}

// HEAD+TAIL*
const char* word_with_head(const CharScanner& s, const char* p) {
  const char* heads = s.run(p, kHead);
  return heads == p ? nullptr : s.run(heads, kTail);
}

template <bool kContractions, int kMostDigits>
const char* match_gpt4o(const CharScanner& s, const char* p) {
  const CharClass k = s.at(p);
  const bool may_be_prefix = !(k & (kNewline | kLetter | kNumber));  // [^\r\n\p{L}\p{N}]?
  const char* second = s.next(p);
  if (may_be_prefix ? (k & kMark) || (s.at(second) & (kHead | kTail)) : (k & kLetter) != 0) {
    const char* end = may_be_prefix ? word_with_tail(s, second) : nullptr;
    if (end == nullptr) end = word_with_tail(s, p);
    if (end == nullptr && may_be_prefix) end = word_with_head(s, second);
    if (end == nullptr) end = word_with_head(s, p);
    if (end != nullptr) {
      const char* more = kContractions ? contraction(s, end, Case::kAny) : nullptr;
      return more != nullptr ? more : end;
    }
  }
  if (k & kNumber) return digits(s, p, kMostDigits);
  const char* symbols = *p == ' ' ? second : p;
  if (const char* end = s.run_without(symbols, kSpace | kLetter | kNumber); end != symbols) {
    return run_of(end, s.end(), "\r\n/");
  }
  return lines_or_whitespace(s, p);
}

// --- DeepSeek V3 ---

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

const char* match_deepseek(const CharScanner& s, const char* p) {
  const CharClass k = s.at(p);
  if (k & kAsciiPunctuation) {  // [!-/:-~…][A-Za-z]+
    const char* end = p + 1;
    while (end != s.end() && is_ascii_letter(*end)) ++end;
    if (end != p + 1) return end;
  }
  constexpr CharClass kWordClass = kLetter | kMark;
  constexpr CharClass kSymbolClass = kPunctuation | kSymbol;
  if (k & kWordClass) return s.run(p, kWordClass);
  const char* second = s.next(p);  // [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
  if (!(k & (kNewline | kSymbolClass)) && (s.at(second) & kWordClass)) return s.run(second, kWordClass);
  const char* symbols = *p == ' ' ? second : p;  //  ?[\p{P}\p{S}]+[\r\n]*
  if (const char* end = s.run(symbols, kSymbolClass); end != symbols) return s.run(end, kNewline);
  return lines_or_whitespace(s, p);
}

// [一-龥぀-ゟ゠-ヿ]+ : CJK ideographs and kana.
const char* match_cjk(const CharScanner& s, const char* p) {
  const char* end = p;
  while (end != s.end() && static_cast<uint8_t>(*end) >= 0xE3) {
    const char* after = end;
    const uint32_t c = decode_utf8(after);
    if (!((c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF))) break;
    end = after;
  }
  return end == p ? nullptr : end;
}

template <auto kMatch>
void split_by(std::string_view text, uint32_t offset, Spans& out) {
  split_with(text, offset, out, [](const CharScanner& s, const char* p) { return kMatch(s, p); });
}

template <int kMost>
const char* match_digits(const CharScanner& s, const char* p) {
  return digits(s, p, kMost);
}

struct KnownSplit {
  std::string_view pattern;
  SplitFunction split;
};

constexpr CharClass kLetterOrMark = kLetter | kMark;

const std::array kKnownSplits = {
    KnownSplit{kGpt2Pattern, split_by<match_gpt2>},
    // GPT-4, Llama 3, GLM-4
    KnownSplit{
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        split_by<match_gpt4<kLetter, 3>>},
    // Qwen 2, 2.5 and 3
    KnownSplit{
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        split_by<match_gpt4<kLetter, 1>>},
    // Qwen 3.5
    KnownSplit{
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        split_by<match_gpt4<kLetterOrMark, 1>>},
    // GPT-4o, gpt-oss, Llama 4
    KnownSplit{
        R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        split_by<match_gpt4o<true, 3>>},
    // Mistral Nemo and later (Tekken)
    KnownSplit{
        R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        split_by<match_gpt4o<false, 1>>},
    // DeepSeek V3: three splits in a row
    KnownSplit{R"(\p{N}{1,3})", split_by<match_digits<3>>},
    KnownSplit{"[一-龥぀-ゟ゠-ヿ]+", split_by<match_cjk>},
    KnownSplit{
        R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        split_by<match_deepseek>},
};

}  // namespace

SplitFunction find_known_split(std::string_view pattern) {
  std::string escaped;
  for (const char c : pattern) {
    if (c == '\r')
      escaped += "\\r";
    else if (c == '\n')
      escaped += "\\n";
    else
      escaped += c;
  }
  for (const KnownSplit& known : kKnownSplits) {
    if (known.pattern == escaped) return known.split;
  }
  return nullptr;
}

std::vector<std::string> known_split_patterns() {
  std::vector<std::string> patterns;
  for (const KnownSplit& known : kKnownSplits) patterns.emplace_back(known.pattern);
  return patterns;
}

}  // namespace tersor::tokenizer
