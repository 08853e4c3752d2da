#include "tersor/modifiers/gptq/asymmetric_shift.h"

#include <algorithm>
#include <vector>

namespace tersor {
namespace {

constexpr size_t kTile = 256;

// x[ids, ids]: rows and columns in another order.
DeviceTensor reordered(Backend& backend, const DeviceTensor& x, const std::vector<int32_t>& order) {
  const size_t n = x.rows;
  const DeviceTensor ids = backend.allocate(DType::kI32, 1, n);
  backend.copy_in(ids, order.data());
  const DeviceTensor rows = backend.allocate(DType::kF32, n, n), turned = backend.allocate(DType::kF32, n, n);
  backend.gather_rows(x, ids, rows);
  backend.transpose(rows, turned);
  backend.gather_rows(turned, ids, rows);
  backend.transpose(rows, turned);
  return turned;
}

// What lies below the diagonal of a square matrix; zeros elsewhere.
DeviceTensor strictly_lower(Backend& backend, const DeviceTensor& x) {
  const size_t n = x.rows;
  const DeviceTensor lower = backend.allocate(DType::kF32, n, n);
  backend.fill_zero(lower);
  for (size_t begin = 0; begin < n; begin += kTile) {
    const size_t count = std::min(kTile, n - begin);
    if (begin > 0) backend.copy_block(x, begin, 0, count, begin, lower, begin, 0);
    const DeviceTensor tile = backend.allocate(DType::kF32, count, count);
    backend.copy_block(x, begin, begin, count, count, tile, 0, 0);
    std::vector<float> values(count * count);
    backend.copy_out(tile, values.data());
    for (size_t i = 0; i < count; ++i)
      std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(i * count + i), count - i, 0.0f);
    backend.copy_in(tile, values.data());
    backend.copy_block(tile, 0, 0, count, count, lower, begin, begin);
  }
  return lower;
}

}  // namespace

DeviceTensor asymmetric_shift(Backend& backend, const HessianFactor& factor, const DeviceTensor& cross) {
  const size_t n = cross.rows;
  // Places are solved from the last to the first: R is the factor's inverse, lower triangular there, and what
  // is solved later lies below.
  const DeviceTensor product = backend.allocate(DType::kF32, n, n);
  backend.gemm(1, reordered(backend, cross, factor.order), false, factor.inverse, true, 0, product);
  const DeviceTensor lower = strictly_lower(backend, product);
  backend.gemm(1, lower, false, factor.inverse, false, 0, product);
  std::vector<int32_t> places(n);
  for (size_t p = 0; p < n; ++p) places[static_cast<size_t>(factor.order[p])] = static_cast<int32_t>(p);
  return reordered(backend, product, places);
}

}  // namespace tersor
