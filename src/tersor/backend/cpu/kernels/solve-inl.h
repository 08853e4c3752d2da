// GPTQ's inner loop over a strip of output rows, and column statistics.
//
// A strip of weights [n columns, kStrip rows], transposed so that a vector holds the same column of several
// rows, is copied into a tile that stays in the first-level cache. Errors reach the columns before them in
// panels: within a panel one by one, below it by kPanel errors at a time, so that a vector of the tile is
// loaded and stored once for kPanel multiply-adds.

#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/codes-inl.h"
#include "tersor/backend/cpu/solve_kernels.h"
#include "tersor/backend/range_to_scale.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_SOLVE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_SOLVE_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_SOLVE_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_SOLVE_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {
namespace solve {

constexpr size_t kPanel = 8;

struct Rounded {
  VI code;  // in the low byte
  VF value;
};

// The division is the machine's own: it is one of hundreds of operations per element here.
HWY_INLINE Rounded round_int(VF x, VF scale, VF zero_point, VF low, VF high) {
  const VF y = hn::Min(hn::Max(hn::Add(hn::Div(x, scale), zero_point), low), high);
  const VI code = hn::NearestInt(y);
  return {code, hn::Mul(hn::Sub(hn::ConvertTo(DF(), code), zero_point), scale)};
}

template <typename Coder>
HWY_INLINE Rounded round_float(VF x, VF scale, int sign_bit) {
  const DF df;
  const DI di;
  const VF a = hn::Min(hn::Abs(hn::Div(x, scale)), hn::Set(df, Coder::kLargest));
  const auto m = Coder::encode_magnitude(a);
  const auto negative = hn::Lt(x, hn::Zero(df));
  const VI code = hn::IfThenElse(hn::RebindMask(di, negative), hn::Or(m.code, hn::Set(di, sign_bit)), m.code);
  return {code, hn::Mul(hn::IfThenElse(negative, hn::Neg(m.value), m.value), scale)};
}

template <CodeKind kKind>
HWY_INLINE Rounded round_to_code(VF x, VF scale, VF zero_point, VF low, VF high) {
  if constexpr (kKind == CodeKind::kInt) return round_int(x, scale, zero_point, low, high);
  if constexpr (kKind == CodeKind::kFloat8) return round_float<Float8Coder>(x, scale, 0x80);
  return round_float<Float4Coder>(x, scale, 8);
}

// w[k] -= Σ_j errors[first + j] · factor[first + j, k] for every column k < first.
HWY_INLINE void apply_panel(const SolveStrip& s, size_t first, size_t count, const float* errors,
                            float* tile) {
  const DF df;
  for (size_t v = 0; v < kSolveStrip; v += kLanes) {
    VF e[kPanel];
    for (size_t j = 0; j < kPanel; ++j) {
      e[j] = j < count ? hn::Load(df, errors + (first + j) * kSolveStrip + v) : hn::Zero(df);
    }
    for (size_t k = 0; k < first; ++k) {
      VF w = hn::Load(df, tile + k * kSolveStrip + v);
      const float* factor = s.factor + first * s.n + k;
      for (size_t j = 0; j < kPanel; ++j) {
        w = hn::NegMulAdd(e[j], hn::Set(df, j < count ? factor[j * s.n] : 0.0f), w);
      }
      hn::Store(w, df, tile + k * kSolveStrip + v);
    }
  }
}

template <CodeKind kKind>
void solve_strip(const SolveStrip& s, float* tile, float* errors, int8_t* codes) {
  const DF df;
  const VF low = hn::Set(df, code_min(s.spec)), high = hn::Set(df, code_max(s.spec));
  for (size_t end = s.n; end > 0;) {
    const size_t first = end > kPanel ? end - kPanel : 0;
    for (size_t i = end; i-- > first;) {
      const float* l = s.factor + i * s.n;
      const VF diagonal = hn::Set(df, l[i]);
      for (size_t v = 0; v < kSolveStrip; v += kLanes) {
        const VF scale = hn::Load(df, s.scales + i * kSolveStrip + v);
        const VF zero_point = hn::Load(df, s.zero_points + i * kSolveStrip + v);
        const VF x = hn::Load(df, tile + i * kSolveStrip + v);
        const Rounded q = round_to_code<kKind>(x, scale, zero_point, low, high);
        const VF e = hn::Div(hn::Sub(x, q.value), diagonal);
        hn::Store(q.value, df, tile + i * kSolveStrip + v);
        hn::Store(e, df, errors + i * kSolveStrip + v);
        hn::StoreU(hn::TruncateTo(hn::Rebind<uint8_t, DF>(), hn::BitCast(DU(), q.code)),
                   hn::Rebind<uint8_t, DF>(), reinterpret_cast<uint8_t*>(codes) + i * kSolveStrip + v);
        for (size_t k = first; k < i; ++k) {
          float* w = tile + k * kSolveStrip + v;
          hn::Store(hn::NegMulAdd(e, hn::Set(df, l[k]), hn::Load(df, w)), df, w);
        }
      }
    }
    apply_panel(s, first, end - first, errors, tile);
    end = first;
  }
}

void SolveColumns(const SolveStrip& s, float* tile, float* errors, int8_t* codes) {
  switch (s.spec.kind) {
    case CodeKind::kInt:
      return solve_strip<CodeKind::kInt>(s, tile, errors, codes);
    case CodeKind::kFloat8:
      return solve_strip<CodeKind::kFloat8>(s, tile, errors, codes);
    case CodeKind::kFloat4:
      return solve_strip<CodeKind::kFloat4>(s, tile, errors, codes);
  }
}

// sums[c] += x[c] · y[c].
void AddProducts(const float* x, const float* y, size_t n, float* sums) {
  const DF df;
  size_t c = 0;
  for (; c + kLanes <= n; c += kLanes) {
    hn::StoreU(hn::MulAdd(hn::LoadU(df, x + c), hn::LoadU(df, y + c), hn::LoadU(df, sums + c)), df, sums + c);
  }
  for (; c < n; ++c) sums[c] += x[c] * y[c];
}

void RowRange(const float* x, size_t n, float* range) {
  const DF df;
  VF low = hn::Set(df, x[0]), high = low, nan = hn::Zero(df);
  size_t c = 0;
  for (; c + kLanes <= n; c += kLanes) {
    const VF v = hn::LoadU(df, x + c);
    low = hn::Min(low, v);
    high = hn::Max(high, v);
    nan = hn::Or(nan, hn::VecFromMask(df, hn::IsNaN(v)));
  }
  float least = hn::GetLane(hn::MinOfLanes(df, low)), most = hn::GetLane(hn::MaxOfLanes(df, high));
  bool bad = !hn::AllFalse(df, hn::MaskFromVec(nan));
  for (; c < n; ++c) {
    bad |= x[c] != x[c];
    least = x[c] < least ? x[c] : least;
    most = x[c] > most ? x[c] : most;
  }
  range[0] = bad ? __builtin_nanf("") : least;
  range[1] = bad ? __builtin_nanf("") : most;
}

}  // namespace solve
}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();
#endif
