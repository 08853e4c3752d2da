// Shapes: sizes of a row-major, contiguous tensor, outermost first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tersor/tensor/dtype.h"

namespace tersor {

using Shape = std::vector<uint64_t>;

// Product of the sizes (1 for a scalar); nullopt when it does not fit 64 bits.
std::optional<uint64_t> num_elements(const Shape& shape);

// num_elements × dtype_size; nullopt when it does not fit 64 bits.
std::optional<uint64_t> num_bytes(const Shape& shape, DType dtype);

// "[49152, 576]".
std::string to_string(const Shape& shape);

}  // namespace tersor
