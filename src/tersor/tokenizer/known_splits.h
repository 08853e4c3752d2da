// Hand-written matchers of the split patterns that published tokenizers use: some ten times faster than a
// regular-expression engine, and on the pinned Unicode tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tersor/tokenizer/span.h"

namespace tersor::tokenizer {

// Appends to `out` every match of one pattern in `text` and the gaps between matches, in order, moved by
// `offset`. Together they cover the text.
using SplitFunction = void (*)(std::string_view text, uint32_t offset, Spans& out);

// The matcher of exactly this pattern (a raw CR or LF counts as its escape), or null.
SplitFunction find_known_split(std::string_view pattern);

// All the patterns, for the tests that hold the matchers against a regular-expression engine.
std::vector<std::string> known_split_patterns();

// The pattern of GPT-2, which the ByteLevel pre-tokenizer applies by itself.
extern const std::string_view kGpt2Pattern;

}  // namespace tersor::tokenizer
