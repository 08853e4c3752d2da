// The merging of one word, apart from where its symbols and merges come from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tersor/tokenizer/flat_map.h"

namespace tersor::tokenizer {

// Merges `ids` in place until no adjacent pair is in `merges` (left << 32 | right → rank << 32 | merged):
// always the pair of lowest rank, the leftmost of several. Returns how many ids are left. Short words are
// scanned again after each merge; long ones go through a queue, O(n log n).
size_t merge_word(std::span<int32_t> ids, const FlatMap64& merges);

}  // namespace tersor::tokenizer
