// A part of a text, by byte offsets.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tersor::tokenizer {

// [begin, end) of some text below 4 GiB. `matched` tells a pattern's matches from the gaps between them.
struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool matched = false;

  std::string_view in(std::string_view text) const { return text.substr(begin, end - begin); }
  bool operator==(const Span&) const = default;
};

using Spans = std::vector<Span>;

}  // namespace tersor::tokenizer
