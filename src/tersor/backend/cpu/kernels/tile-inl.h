// Products of small tiles, summed in registers: what every f32 product of our own is made of.
//
// Each output is one chain of fused multiply-adds from the first input to the last, however the rows are cut
// into tiles.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/bf16-inl.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_TILE_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_TILE_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_TILE_INL_H_
#endif

// Clang takes a quarter of an hour over unrolled loops that sanitizers have filled with checks.
#undef TERSOR_UNROLL
#ifdef TERSOR_SANITIZED
#define TERSOR_UNROLL(times)
#else
#undef TERSOR_PRAGMA
#define TERSOR_PRAGMA(words) _Pragma(#words)
#define TERSOR_UNROLL(times) TERSOR_PRAGMA(GCC unroll times)
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {
namespace tiles {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr size_t kLanes = HWY_LANES(float);

// Six rows by four vectors fill AVX-512's 32 registers, by two vectors the 16 of the others.
constexpr size_t kTileRows = 6;
constexpr size_t kTileVectors = kLanes >= 16 ? 4 : 2;

HWY_INLINE V widen(const uint16_t* bits) {
  return widen_bf16(D(), hn::LoadU(hn::Rebind<uint16_t, D>(), bits));
}
HWY_INLINE V widen(const float* values) { return hn::LoadU(D(), values); }

// What a tile's rows are made of.
enum class Side {
  kRows,     // input i of row r is x[r · x_stride + i]
  kColumns,  // … x[i · x_stride + r]
};

// Rows of y are `y_stride` apart, inputs of w `w_stride`.
template <typename T>
struct Tile {
  const float* x;
  size_t x_stride;
  const T* w;
  size_t w_stride;
  size_t depth;
  bool add;  // to what y holds
  float* y;
  size_t y_stride;
};

template <size_t kRows, size_t kVectors, Side kSide, typename T>
HWY_INLINE void sum_tile(const Tile<T>& t) {
  const D d;
  V sums[kRows][kVectors];
  TERSOR_UNROLL(8)
  for (size_t r = 0; r < kRows; ++r) {
    TERSOR_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v)
      sums[r][v] = t.add ? hn::LoadU(d, t.y + r * t.y_stride + v * kLanes) : hn::Zero(d);
  }
  const size_t row = kSide == Side::kRows ? t.x_stride : 1, step = kSide == Side::kRows ? 1 : t.x_stride;
  const float* x = t.x;
  const T* w = t.w;
  TERSOR_UNROLL(4)
  for (size_t i = 0; i < t.depth; ++i, x += step, w += t.w_stride) {
    V weights[kVectors];
    TERSOR_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) weights[v] = widen(w + v * kLanes);
    TERSOR_UNROLL(8)
    for (size_t r = 0; r < kRows; ++r) {
      const V value = hn::Set(d, x[r * row]);
      TERSOR_UNROLL(8)
      for (size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(value, weights[v], sums[r][v]);
    }
  }
  TERSOR_UNROLL(8)
  for (size_t r = 0; r < kRows; ++r) {
    TERSOR_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[r][v], d, t.y + r * t.y_stride + v * kLanes);
  }
}

template <size_t kVectors, Side kSide, typename T>
HWY_INLINE void sum_whole_tile(const Tile<T>& t, size_t rows) {
  static_assert(kTileRows == 6);
  switch (rows) {
    case 1:
      return sum_tile<1, kVectors, kSide>(t);
    case 2:
      return sum_tile<2, kVectors, kSide>(t);
    case 3:
      return sum_tile<3, kVectors, kSide>(t);
    case 4:
      return sum_tile<4, kVectors, kSide>(t);
    case 5:
      return sum_tile<5, kVectors, kSide>(t);
    default:
      return sum_tile<6, kVectors, kSide>(t);
  }
}

// A tile of which only the first `outputs` columns exist in y.
template <size_t kVectors, Side kSide, typename T>
HWY_INLINE void sum_some(Tile<T> t, size_t rows, size_t outputs) {
  constexpr size_t kWidth = kVectors * kLanes;
  if (outputs >= kWidth) return sum_whole_tile<kVectors, kSide>(t, rows);
  HWY_ALIGN float whole[kTileRows * kWidth] = {};
  float* y = t.y;
  if (t.add) {
    for (size_t r = 0; r < rows; ++r) std::copy_n(y + r * t.y_stride, outputs, whole + r * kWidth);
  }
  const size_t y_stride = t.y_stride;
  t.y = whole;
  t.y_stride = kWidth;
  sum_whole_tile<kVectors, kSide>(t, rows);
  for (size_t r = 0; r < rows; ++r) std::copy_n(whole + r * kWidth, outputs, y + r * y_stride);
}

}  // namespace tiles
}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();
#endif
