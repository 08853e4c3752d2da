// Cuts normalized text into the pieces that the model sees one by one.
//
// A pre_tokenizer of a tokenizer.json becomes a list of primitive steps; each takes the pieces of the one
// before.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/tokenizer/span.h"
#include "tersor/tokenizer/split_pattern.h"

namespace tersor::tokenizer {

struct SplitStep {
  SplitPattern pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
};
// ByteLevel's add_prefix_space: a space before every piece that starts with none.
struct PrefixSpaceStep {};
// Every byte as its character of the byte alphabet.
struct ByteMapStep {};
// Metaspace: spaces become `replacement`, which is also put before a piece that does not start with it.
struct MetaspaceStep {
  enum class Prepend { kNever, kFirst, kAlways };
  std::string replacement;
  Prepend prepend = Prepend::kAlways;
};
// Pieces of `length` characters.
struct FixedLengthStep {
  size_t length = 0;
};

using PreTokenizerStep =
    std::variant<SplitStep, PrefixSpaceStep, ByteMapStep, MetaspaceStep, FixedLengthStep>;

// The pieces of one text, none of them empty.
struct Pieces {
  std::string_view text;
  Spans spans;
  // The text is the beginning of the input (Metaspace's prepend_scheme "first" asks).
  bool at_start = true;

  // Storage that the steps reuse.
  std::string buffer, next_buffer;
  Spans next_spans, scratch;

  // Makes the whole of `normalized`, which must outlive the pieces, the only piece.
  void reset(std::string_view normalized, bool starts_input);
};

// Reads the `pre_tokenizer` object (null: no step); `origin` names the file in errors.
std::vector<PreTokenizerStep> parse_pre_tokenizer(const Json& json, const std::string& origin);

// Applies the steps; stops before step `count`.
void pre_tokenize(const std::vector<PreTokenizerStep>& steps, size_t count, Pieces& pieces);

}  // namespace tersor::tokenizer
