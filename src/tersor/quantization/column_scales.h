// What a weight is rounded with, column by column: the form in which solvers take scales.
#pragma once

#include <cstdint>
#include <vector>

#include "tersor/backend/quantize_kernels.h"

namespace tersor {

// Of a weight [out, in]; fixed before its first column is rounded. Every strategy has this form: `tensor` and
// `channel` have one group, `group` has in / group_size, `block` repeats a block's scale for each of its
// rows.
struct ColumnScales {
  CodeSpec spec;
  std::vector<float> scales;           // [groups, out]: what divides, as stored
  std::vector<float> zero_points;      // the same, or empty when symmetric
  std::vector<int32_t> column_groups;  // [in]: the group of each column
};

}  // namespace tersor
