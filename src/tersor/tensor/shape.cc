#include "tersor/tensor/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tersor/base/checked_math.h"

namespace tersor {

std::optional<uint64_t> num_elements(const Shape& shape) {
  std::optional<uint64_t> product = 1;
  for (const uint64_t size : shape) {
    product = checked_mul(*product, size);
    if (!product) return std::nullopt;
  }
  return product;
}

std::optional<uint64_t> num_bytes(const Shape& shape, DType dtype) {
  const auto elements = num_elements(shape);
  return elements ? checked_mul(*elements, dtype_size(dtype)) : std::nullopt;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

}  // namespace tersor
