#include "tersor/tokenizer/split_pattern.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/regex_dialect.h"

namespace tersor::tokenizer {
namespace {

// Collects matches in order and fills in the gaps between them.
class Cover {
 public:
  Cover(std::string_view text, uint32_t offset, Spans& out) : text_(text), offset_(offset), out_(out) {}

  void match(size_t begin, size_t end) {
    gap_until(begin);
    add(begin, end, true);
    done_ = end;
  }
  void finish() { gap_until(text_.size()); }

 private:
  void gap_until(size_t begin) {
    if (begin != done_) add(done_, begin, false);
  }
  void add(size_t begin, size_t end, bool matched) {
    out_.push_back({offset_ + static_cast<uint32_t>(begin), offset_ + static_cast<uint32_t>(end), matched});
  }

  std::string_view text_;
  uint32_t offset_;
  Spans& out_;
  size_t done_ = 0;
};

void find_literal(const std::string& needle, std::string_view text, Cover& cover) {
  if (needle.empty()) return;
  for (size_t at = text.find(needle); at != std::string_view::npos;
       at = text.find(needle, at + needle.size())) {
    cover.match(at, at + needle.size());
  }
}

void find_characters(SplitPattern::CharPredicate holds, std::string_view text, Cover& cover) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  for (const char* p = begin; p != end;) {
    const char* const start = p;
    if (holds(decode_utf8(p)))
      cover.match(static_cast<size_t>(start - begin), static_cast<size_t>(p - begin));
  }
}

void find_regex(const Regex& regex, std::string_view text, Cover& cover) {
  // Backtracking, as text of any length may need it, but not quadratic in the text.
  uint64_t steps = 10'000'000 + 100 * uint64_t{text.size()};
  size_t last_end = std::string_view::npos;
  for (size_t at = 0; at <= text.size();) {
    const auto match = regex.search(text, at, steps);
    if (!match) return;
    const auto [begin, end] = *match;
    at = end;
    if (begin == end) {
      at = end + (end == text.size() ? 1 : utf8_length(text[end]));
      if (end == last_end) continue;  // not right behind the match before
    }
    cover.match(begin, end);
    last_end = end;
  }
}

}  // namespace

SplitPattern SplitPattern::literal(std::string text) {
  SplitPattern p;
  p.how_ = std::move(text);
  return p;
}

SplitPattern SplitPattern::characters(CharPredicate holds) {
  SplitPattern p;
  p.how_ = holds;
  return p;
}

SplitPattern SplitPattern::function(SplitFunction matcher) {
  SplitPattern p;
  p.how_ = matcher;
  return p;
}

SplitPattern SplitPattern::regex(std::string_view pattern, const std::string& origin) {
  SplitPattern p;
  if (const SplitFunction known = find_known_split(pattern)) {
    p.how_ = known;
    return p;
  }
  try {
    p.how_ = std::make_shared<const Regex>(oniguruma_to_pcre2(pattern), Regex::Mode::kUnicode);
  } catch (const Error& e) {
    throw input_error(fmt::format("{}: {}", origin, e.what()));
  }
  return p;
}

void SplitPattern::find(std::string_view text, uint32_t offset, Spans& out) const {
  if (text.empty()) return;
  if (const auto* known = std::get_if<SplitFunction>(&how_)) return (*known)(text, offset, out);
  Cover cover(text, offset, out);
  if (const auto* needle = std::get_if<std::string>(&how_)) find_literal(*needle, text, cover);
  if (const auto* holds = std::get_if<CharPredicate>(&how_)) find_characters(*holds, text, cover);
  if (const auto* regex = std::get_if<Engine>(&how_)) find_regex(**regex, text, cover);
  cover.finish();
}

void split(std::string_view text, Span piece, const SplitPattern& pattern, SplitBehavior behavior,
           bool invert, Spans& scratch, Spans& out) {
  const size_t first = out.size();
  const auto drop_empty = [&] {
    out.erase(std::remove_if(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(),
                             [](const Span& s) { return s.begin == s.end; }),
              out.end());
  };
  if (behavior == SplitBehavior::kIsolated) {
    pattern.find(piece.in(text), piece.begin, out);
    if (pattern.may_match_nothing()) drop_empty();
    return;
  }
  scratch.clear();
  pattern.find(piece.in(text), piece.begin, scratch);
  if (invert) {
    for (Span& s : scratch) s.matched = !s.matched;
  }
  bool previous = false;  // was the span before a match?
  switch (behavior) {
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kRemoved:
      for (const Span& s : scratch) {
        if (!s.matched) out.push_back(s);
      }
      break;
    case SplitBehavior::kContiguous:
      for (const Span& s : scratch) {
        if (s.matched == previous && out.size() > first)
          out.back().end = s.end;
        else
          out.push_back(s);
        previous = s.matched;
      }
      break;
    case SplitBehavior::kMergedWithPrevious:
      for (const Span& s : scratch) {
        if (s.matched && !previous && out.size() > first)
          out.back().end = s.end;
        else
          out.push_back(s);
        previous = s.matched;
      }
      break;
    case SplitBehavior::kMergedWithNext:
      for (size_t i = scratch.size(); i-- > 0;) {
        const Span& s = scratch[i];
        if (s.matched && !previous && out.size() > first)
          out.back().begin = s.begin;
        else
          out.push_back(s);
        previous = s.matched;
      }
      std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
      break;
  }
  if (pattern.may_match_nothing()) drop_empty();
}

}  // namespace tersor::tokenizer
