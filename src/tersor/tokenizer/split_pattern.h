// A pattern that cuts text: a literal string, one character class, or a regular expression.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "tersor/base/regex.h"
#include "tersor/tokenizer/known_splits.h"
#include "tersor/tokenizer/span.h"

namespace tersor::tokenizer {

// Immutable after construction; safe to use from several threads at once.
class SplitPattern {
 public:
  using CharPredicate = bool (*)(uint32_t code_point);

  // An empty literal matches nothing.
  static SplitPattern literal(std::string text);
  // Every character for which `holds` is true is a match of its own.
  static SplitPattern characters(CharPredicate holds);
  // A matcher written by hand.
  static SplitPattern function(SplitFunction matcher);
  // A pattern in Oniguruma's dialect, as tokenizer files have it. Patterns of known_splits.h are matched by
  // hand-written code, others by PCRE2, whose Unicode tables may be older than ours. Throws Error(kInput)
  // naming `origin` when the pattern is not valid, or is of a form that PCRE2 cannot express
  // (regex_dialect.h).
  static SplitPattern regex(std::string_view pattern, const std::string& origin);

  // Appends the matches in `text` (valid UTF-8) and the gaps between them, in order, moved by `offset`;
  // together they cover the text. A regular expression's matches of zero length are among them.
  void find(std::string_view text, uint32_t offset, Spans& out) const;
  bool may_match_nothing() const { return std::holds_alternative<Engine>(how_); }

 private:
  using Engine = std::shared_ptr<const Regex>;

  std::variant<std::string, CharPredicate, SplitFunction, Engine> how_;
};

// What becomes of the matches when text is split (the reference's SplitDelimiterBehavior).
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// Splits text.substr(piece) and appends the parts, none of them empty, to `out`. With `invert` the gaps are
// the matches. `scratch` is reused between calls.
void split(std::string_view text, Span piece, const SplitPattern& pattern, SplitBehavior behavior,
           bool invert, Spans& scratch, Spans& out);

}  // namespace tersor::tokenizer
