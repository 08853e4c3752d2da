// Rows of f32 by a block of bf16 weights, in f32.
//
// A tile of up to kTileRows rows by a few vectors of outputs is summed in registers. Each output is one chain
// of fused multiply-adds from the first input to the last, however many rows, tiles and panels there are: its
// bits depend on its row of x and its weights alone.
//
// Few rows read the weights as they are stored and widen them in registers. Many rows widen a panel of
// kPanelDepth inputs once, into the second-level cache, and sweep all rows over it.

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/bf16-inl.h"
#include "tersor/backend/cpu/weight_kernels.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_BF16_WEIGHT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_BF16_WEIGHT_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_BF16_WEIGHT_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_BF16_WEIGHT_INL_H_
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
namespace bf16_weight {

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

// Rows of x and of y are `x_stride` and `y_stride` apart, inputs of w `w_stride`.
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

template <size_t kRows, size_t kVectors, typename T>
HWY_INLINE void sum_tile(const Tile<T>& t) {
  const D d;
  V sums[kRows][kVectors];
  TERSOR_UNROLL(8)
  for (size_t r = 0; r < kRows; ++r) {
    TERSOR_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v)
      sums[r][v] = t.add ? hn::LoadU(d, t.y + r * t.y_stride + v * kLanes) : hn::Zero(d);
  }
  const float* x = t.x;
  const T* w = t.w;
  TERSOR_UNROLL(4)
  for (size_t i = 0; i < t.depth; ++i, ++x, w += t.w_stride) {
    V weights[kVectors];
    TERSOR_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) weights[v] = widen(w + v * kLanes);
    TERSOR_UNROLL(8)
    for (size_t r = 0; r < kRows; ++r) {
      const V value = hn::Set(d, x[r * t.x_stride]);
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

template <size_t kVectors, typename T>
HWY_INLINE void sum_whole_tile(const Tile<T>& t, size_t rows) {
  static_assert(kTileRows == 6);
  switch (rows) {
    case 1:
      return sum_tile<1, kVectors>(t);
    case 2:
      return sum_tile<2, kVectors>(t);
    case 3:
      return sum_tile<3, kVectors>(t);
    case 4:
      return sum_tile<4, kVectors>(t);
    case 5:
      return sum_tile<5, kVectors>(t);
    default:
      return sum_tile<6, kVectors>(t);
  }
}

// A tile of which only the first `outputs` columns exist in y.
template <size_t kVectors, typename T>
HWY_INLINE void sum_some(Tile<T> t, size_t rows, size_t outputs) {
  constexpr size_t kWidth = kVectors * kLanes;
  if (outputs >= kWidth) return sum_whole_tile<kVectors>(t, rows);
  HWY_ALIGN float whole[kTileRows * kWidth] = {};
  float* y = t.y;
  if (t.add) {
    for (size_t r = 0; r < rows; ++r) std::copy_n(y + r * t.y_stride, outputs, whole + r * kWidth);
  }
  const size_t y_stride = t.y_stride;
  t.y = whole;
  t.y_stride = kWidth;
  sum_whole_tile<kVectors>(t, rows);
  for (size_t r = 0; r < rows; ++r) std::copy_n(whole + r * kWidth, outputs, y + r * y_stride);
}

template <size_t kVectors>
void multiply_few(const WeightProduct& p) {
  for (size_t r = 0; r < p.rows; r += kTileRows) {
    for (size_t c = 0; c < p.outputs; c += kVectors * kLanes) {
      sum_some<kVectors, uint16_t>({p.x + r * p.in, p.in, p.block + c, kBlockOutputs, p.in, false,
                                    p.y + r * p.y_stride + c, p.y_stride},
                                   std::min(kTileRows, p.rows - r), p.outputs - c);
    }
  }
}

// Inputs [first, first + depth) of a block, strip after strip of kVectors vectors of outputs.
template <size_t kVectors>
HWY_INLINE void widen_panel(const uint16_t* block, size_t first, size_t depth, size_t outputs, float* panel) {
  const D d;
  for (size_t c = 0; c < outputs; c += kVectors * kLanes) {
    const uint16_t* w = block + first * kBlockOutputs + c;
    for (size_t i = 0; i < depth; ++i, w += kBlockOutputs) {
      for (size_t v = 0; v < kVectors; ++v, panel += kLanes) hn::Store(widen(w + v * kLanes), d, panel);
    }
  }
}

template <size_t kVectors>
void multiply_many(const WeightProduct& p) {
  constexpr size_t kWidth = kVectors * kLanes;
  for (size_t first = 0; first < p.in; first += kPanelDepth) {
    const size_t depth = std::min(kPanelDepth, p.in - first);
    widen_panel<kVectors>(p.block, first, depth, p.outputs, p.panel);
    for (size_t r = 0; r < p.rows; r += kTileRows) {
      for (size_t c = 0; c < p.outputs; c += kWidth) {
        sum_some<kVectors, float>({p.x + r * p.in + first, p.in, p.panel + c * depth, kWidth, depth,
                                   first > 0, p.y + r * p.y_stride + c, p.y_stride},
                                  std::min(kTileRows, p.rows - r), p.outputs - c);
      }
    }
  }
}

void Multiply(const WeightProduct& p) {
  // Half a tile's width where a part of a block would leave the other half idle.
  constexpr size_t kNarrow = kTileVectors > 2 ? kTileVectors / 2 : kTileVectors;
  // One or two rows leave registers free, and every sweep over a block less counts.
  constexpr size_t kWide = std::max<size_t>(kTileVectors, 4);
  const bool narrow = p.outputs <= kNarrow * kLanes;
  if (p.rows <= 2) return narrow ? multiply_few<kNarrow>(p) : multiply_few<kWide>(p);
  if (p.rows <= kFewRows) return narrow ? multiply_few<kNarrow>(p) : multiply_few<kTileVectors>(p);
  return narrow ? multiply_many<kNarrow>(p) : multiply_many<kTileVectors>(p);
}

}  // namespace bf16_weight
}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();
#endif
