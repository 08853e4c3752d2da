// Rows of f32 by a block of bf16 weights, in f32.
//
// Each output is one chain of fused multiply-adds from the first input to the last, however many rows, tiles
// and panels there are: its bits depend on its row of x and its weights alone.
//
// Few rows read the weights as they are stored and widen them in registers. Many rows widen a panel of
// kPanelDepth inputs once, into the second-level cache, and sweep all rows over it.

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/tile-inl.h"
#include "tersor/backend/cpu/weight_kernels.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_BF16_WEIGHT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_BF16_WEIGHT_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_BF16_WEIGHT_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_BF16_WEIGHT_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {
namespace bf16_weight {

using namespace tiles;

template <size_t kVectors>
void multiply_few(const WeightProduct& p) {
  for (size_t r = 0; r < p.rows; r += kTileRows) {
    for (size_t c = 0; c < p.outputs; c += kVectors * kLanes) {
      sum_some<kVectors, Side::kRows, uint16_t>({p.x + r * p.in, p.in, p.block + c, kBlockOutputs, p.in,
                                                 false, p.y + r * p.y_stride + c, p.y_stride},
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
        sum_some<kVectors, Side::kRows, float>({p.x + r * p.in + first, p.in, p.panel + c * depth, kWidth,
                                                depth, first > 0, p.y + r * p.y_stride + c, p.y_stride},
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
