// Calibration samples in batches that run together, each sample with its own length.
#pragma once

#include <cstdint>
#include <vector>

#include "tersor/modeling/layer_forward.h"

namespace tersor {

struct Batch {
  std::vector<int32_t> ids;
  std::vector<SequenceSpan> sequences;
};

// Samples in their order; a batch takes the next one as long as it has no more than `batch_tokens` then.
std::vector<Batch> make_batches(const std::vector<std::vector<int32_t>>& samples, size_t batch_tokens);

// Rows of each sequence of a batch among the rows that reach an input: all of them, or those routed to an
// expert.
std::vector<size_t> sequence_rows(const LayerState& state, int expert);

}  // namespace tersor
