#include "tersor/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/byte_level.h"
#include "tersor/tokenizer/json_fields.h"
#include "tersor/tokenizer/unicode.h"

namespace tersor::tokenizer {
namespace {

constexpr const char* kWhat = "pre_tokenizer";

// \w of the crate regex: Oniguruma's, with the joiners and without the superscripts and fractions.
bool is_rust_word(uint32_t c) {
  if (c == 0x200C || c == 0x200D) return true;
  return (char_class(c) & kWord) != 0 && !(c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE));
}

// \w+|[^\w\s]+, the pattern of the Whitespace pre-tokenizer.
void split_words(std::string_view text, uint32_t offset, Spans& out) {
  enum Kind { kSpaceChar, kWordChar, kOtherChar };
  const auto kind_of = [](uint32_t c) {
    return is_rust_word(c) ? kWordChar : is_whitespace(c) ? kSpaceChar : kOtherChar;
  };
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  for (const char* p = begin; p != end;) {
    const char* const start = p;
    const Kind kind = kind_of(decode_utf8(p));
    for (const char* after = p; p != end && kind_of(decode_utf8(after)) == kind;) p = after;
    out.push_back({offset + static_cast<uint32_t>(start - begin), offset + static_cast<uint32_t>(p - begin),
                   kind != kSpaceChar});
  }
}

SplitBehavior behavior_field(const Json& json, const std::string& origin) {
  const std::string name = string_field(json, "behavior", origin);
  constexpr std::array<std::pair<const char*, SplitBehavior>, 5> kNames = {{
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  }};
  for (const auto& [known, behavior] : kNames) {
    if (name == known) return behavior;
  }
  throw input_error(fmt::format("{}: `{}` is not a split behavior", origin, name),
                    "Removed, Isolated, MergedWithPrevious, MergedWithNext and Contiguous are");
}

void parse_metaspace(const Json& json, const std::string& origin, std::vector<PreTokenizerStep>& out) {
  MetaspaceStep step;
  step.replacement = optional_string_field(json, "replacement", origin).value_or("▁");
  if (count_code_points(step.replacement) != 1)
    throw input_error(fmt::format("{}: the `replacement` of Metaspace must be one character", origin));
  const std::string scheme = optional_string_field(json, "prepend_scheme", origin).value_or("always");
  using enum MetaspaceStep::Prepend;
  if (scheme == "always")
    step.prepend = kAlways;
  else if (scheme == "first")
    step.prepend = kFirst;
  else if (scheme == "never")
    step.prepend = kNever;
  else
    throw input_error(fmt::format("{}: `{}` is not a prepend_scheme", origin, scheme),
                      "always, first and never are");
  // Files from before prepend_scheme say it with add_prefix_space.
  if (!bool_field(json, "add_prefix_space", true, origin)) step.prepend = kNever;
  const SplitPattern at_replacement = SplitPattern::literal(step.replacement);
  out.emplace_back(std::move(step));
  if (bool_field(json, "split", true, origin)) {
    out.emplace_back(SplitStep{at_replacement, SplitBehavior::kMergedWithNext, false});
  }
}

void parse_into(const Json& json, const std::string& origin, std::vector<PreTokenizerStep>& out) {
  const std::string type = component_type(json, kWhat, origin);
  const auto split_characters = [&](SplitPattern::CharPredicate holds, SplitBehavior behavior) {
    out.emplace_back(SplitStep{SplitPattern::characters(holds), behavior, false});
  };
  if (type == "Sequence") {
    for (const Json& inner : require_field(json, "pretokenizers", origin)) parse_into(inner, origin, out);
  } else if (type == "ByteLevel") {
    if (bool_field(json, "add_prefix_space", true, origin)) out.emplace_back(PrefixSpaceStep{});
    if (bool_field(json, "use_regex", true, origin)) {
      out.emplace_back(SplitStep{SplitPattern::regex(kGpt2Pattern, origin), SplitBehavior::kIsolated, false});
    }
    out.emplace_back(ByteMapStep{});
  } else if (type == "Metaspace") {
    parse_metaspace(json, origin, out);
  } else if (type == "Split") {
    out.emplace_back(SplitStep{pattern_field(json, "pattern", origin), behavior_field(json, origin),
                               bool_field(json, "invert", false, origin)});
  } else if (type == "Digits") {
    split_characters(is_numeric, bool_field(json, "individual_digits", false, origin)
                                     ? SplitBehavior::kIsolated
                                     : SplitBehavior::kContiguous);
  } else if (type == "Punctuation") {
    split_characters(is_punctuation,
                     json.contains("behavior") ? behavior_field(json, origin) : SplitBehavior::kIsolated);
  } else if (type == "Whitespace") {
    out.emplace_back(SplitStep{SplitPattern::function(split_words), SplitBehavior::kRemoved, true});
  } else if (type == "WhitespaceSplit") {
    split_characters(is_whitespace, SplitBehavior::kRemoved);
  } else if (type == "BertPreTokenizer") {
    split_characters(is_whitespace, SplitBehavior::kRemoved);
    split_characters(is_punctuation, SplitBehavior::kIsolated);
  } else if (type == "CharDelimiterSplit" || type == "Delimiter") {
    out.emplace_back(SplitStep{SplitPattern::literal(string_field(json, "delimiter", origin)),
                               SplitBehavior::kRemoved, false});
  } else if (type == "FixedLength") {
    const uint64_t length = uint_field(json, "length", 5, origin);
    if (length == 0) throw input_error(fmt::format("{}: a FixedLength pre_tokenizer of length 0", origin));
    out.emplace_back(FixedLengthStep{length});
  } else {
    unsupported_component(kWhat, type, origin);
  }
}

// Runs `rewrite(piece, out)` over all pieces: it appends the piece's new text to `out`.
template <class Rewrite>
void rewrite_pieces(Pieces& pieces, Rewrite rewrite) {
  pieces.next_buffer.clear();
  pieces.next_buffer.reserve(pieces.text.size() * 2);
  for (Span& span : pieces.spans) {
    const auto begin = static_cast<uint32_t>(pieces.next_buffer.size());
    rewrite(span, pieces.next_buffer);
    span = {begin, static_cast<uint32_t>(pieces.next_buffer.size()), false};
  }
  std::swap(pieces.buffer, pieces.next_buffer);
  pieces.text = pieces.buffer;
}

void apply(const SplitStep& step, Pieces& pieces) {
  pieces.next_spans.clear();
  for (const Span& span : pieces.spans) {
    split(pieces.text, span, step.pattern, step.behavior, step.invert, pieces.scratch, pieces.next_spans);
  }
  std::swap(pieces.spans, pieces.next_spans);
}

void apply(const PrefixSpaceStep&, Pieces& pieces) {
  rewrite_pieces(pieces, [&](const Span& span, std::string& out) {
    if (pieces.text[span.begin] != ' ') out += ' ';
    out += span.in(pieces.text);
  });
}

void apply(const ByteMapStep&, Pieces& pieces) {
  rewrite_pieces(pieces,
                 [&](const Span& span, std::string& out) { append_byte_level(span.in(pieces.text), out); });
}

void apply(const MetaspaceStep& step, Pieces& pieces) {
  rewrite_pieces(pieces, [&](const Span& span, std::string& out) {
    const std::string_view piece = span.in(pieces.text);
    using enum MetaspaceStep::Prepend;
    const bool first = span.begin == 0 && pieces.at_start;
    const bool marked = piece.front() == ' ' || piece.starts_with(step.replacement);
    if (!marked && (step.prepend == kAlways || (step.prepend == kFirst && first))) out += step.replacement;
    for (size_t at = 0; at < piece.size();) {
      const size_t space = std::min(piece.find(' ', at), piece.size());
      out += piece.substr(at, space - at);
      if (space < piece.size()) out += step.replacement;
      at = space + 1;
    }
  });
}

void apply(const FixedLengthStep& step, Pieces& pieces) {
  pieces.next_spans.clear();
  for (const Span& span : pieces.spans) {
    uint32_t begin = span.begin;
    size_t count = 0;
    for (uint32_t at = span.begin; at < span.end;) {
      at += static_cast<uint32_t>(utf8_length(pieces.text[at]));
      if (++count == step.length || at == span.end) {
        pieces.next_spans.push_back({begin, at, false});
        begin = at;
        count = 0;
      }
    }
  }
  std::swap(pieces.spans, pieces.next_spans);
}

}  // namespace

void Pieces::reset(std::string_view normalized, bool starts_input) {
  text = normalized;
  at_start = starts_input;
  spans.clear();
  if (!text.empty()) spans.push_back({0, static_cast<uint32_t>(text.size()), false});
}

std::vector<PreTokenizerStep> parse_pre_tokenizer(const Json& json, const std::string& origin) {
  std::vector<PreTokenizerStep> steps;
  if (!json.is_null()) parse_into(json, origin, steps);
  return steps;
}

void pre_tokenize(const std::vector<PreTokenizerStep>& steps, size_t count, Pieces& pieces) {
  for (size_t i = 0; i < count; ++i) {
    std::visit([&](const auto& step) { apply(step, pieces); }, steps[i]);
  }
}

}  // namespace tersor::tokenizer
