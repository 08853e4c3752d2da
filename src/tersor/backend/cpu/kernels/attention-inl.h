// A block of keys and values for many queries of one head: scores, an online softmax, and the sums of values.
//
// Queries are the lanes: scores are kept as [keys, queries], so that neither keys nor values are transposed
// or copied, and the softmax runs down the columns without a sum across lanes.

#include <algorithm>
#include <limits>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

#include "tersor/backend/cpu/attention_kernels.h"
#include "tersor/backend/cpu/kernels/tile-inl.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_ATTENTION_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_ATTENTION_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_ATTENTION_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {
namespace attention {

using namespace tiles;

// Keys whose values are summed at a time: with their scores they stay in the first-level cache.
constexpr size_t kValueKeys = 64;
// Half a tile's width where a part would leave the other half idle.
constexpr size_t kNarrow = kTileVectors / 2;

// Of what queries [query, query + n) see, the first key, and the one behind the last.
HWY_INLINE size_t clamped(const AttentionBlock& b, ptrdiff_t key) {
  return static_cast<size_t>(std::clamp<ptrdiff_t>(key, 0, static_cast<ptrdiff_t>(b.count)));
}
HWY_INLINE size_t first_key(const AttentionBlock& b, size_t query) {
  if (b.window == 0) return 0;
  return clamped(b, b.seen + static_cast<ptrdiff_t>(query) - static_cast<ptrdiff_t>(b.window));
}
HWY_INLINE size_t end_key(const AttentionBlock& b, size_t query, size_t n) {
  return clamped(b, b.seen + static_cast<ptrdiff_t>(query + n) - 1);
}

// scores[t, i] = keys[t] · queries[:, i], for those tiles that some query sees.
void sum_scores(const AttentionBlock& b) {
  constexpr size_t kWidth = kTileVectors * kLanes;
  for (size_t t = 0; t < b.count; t += kTileRows) {
    const size_t rows = std::min(kTileRows, b.count - t);
    for (size_t i = 0; i < b.query_count; i += kWidth) {
      const size_t n = std::min(kWidth, b.query_count - i);
      if (t >= end_key(b, i, n) || t + rows <= first_key(b, i)) continue;
      const Tile<float> tile = {b.keys + t * b.key_stride,
                                b.key_stride,
                                b.queries + i,
                                kAttentionQueries,
                                b.head_dim,
                                false,
                                b.scores + t * kAttentionQueries + i,
                                kAttentionQueries};
      if (n <= kNarrow * kLanes) {
        sum_whole_tile<kNarrow, Side::kRows>(tile, rows);
      } else {
        sum_whole_tile<kTileVectors, Side::kRows>(tile, rows);
      }
    }
  }
}

// Scores of one vector of queries to exp(score - largest), 0 where a query does not see the key. Returns what
// the sums before shrink by.
HWY_INLINE V exp_scores(const AttentionBlock& b, size_t query) {
  const D d;
  const size_t end = end_key(b, query, kLanes), begin = std::min(end, first_key(b, query));
  float* scores = b.scores + query;
  // Keys that all queries of the vector see.
  const size_t all_begin = std::clamp(first_key(b, query + kLanes - 1), begin, end);
  const size_t all_end = std::max(all_begin, std::min(end, end_key(b, query, 1)));
  const V lane = hn::Iota(d, 0), lowest = hn::Set(d, std::numeric_limits<float>::lowest());
  // Key t of query lane i: t < seen + query + i, t + window >= seen + query + i.
  const auto sees = [&](size_t t) {
    const auto behind =
        static_cast<float>(static_cast<ptrdiff_t>(t) - b.seen - static_cast<ptrdiff_t>(query));
    const auto seen = hn::Lt(hn::Set(d, behind), lane);
    if (b.window == 0) return seen;
    return hn::And(seen, hn::Ge(hn::Set(d, behind + static_cast<float>(b.window)), lane));
  };
  const auto at = [&](size_t t) { return scores + t * kAttentionQueries; };
  if (b.soft_cap > 0) {
    const V cap = hn::Set(d, b.soft_cap), inverse = hn::Set(d, 1 / b.soft_cap);
    for (size_t t = begin; t < end; ++t)
      hn::StoreU(hn::Mul(cap, hn::Tanh(d, hn::Mul(hn::LoadU(d, at(t)), inverse))), d, at(t));
  }
  const V before = b.first ? lowest : hn::LoadU(d, b.largest + query);
  V largest = before;
  const auto each_key = [&](auto&& masked, auto&& plain) {
    for (size_t t = begin; t < all_begin; ++t) masked(t);
    for (size_t t = all_begin; t < all_end; ++t) plain(t);
    for (size_t t = all_end; t < end; ++t) masked(t);
  };
  each_key(
      [&](size_t t) { largest = hn::IfThenElse(sees(t), hn::Max(largest, hn::LoadU(d, at(t))), largest); },
      [&](size_t t) { largest = hn::Max(largest, hn::LoadU(d, at(t))); });
  V total = hn::Zero(d);
  const auto exp = [&](size_t t) { return hn::Exp(d, hn::Sub(hn::LoadU(d, at(t)), largest)); };
  const auto keep = [&](size_t t, V e) {
    total = hn::Add(total, e);
    hn::StoreU(e, d, at(t));
  };
  each_key([&](size_t t) { keep(t, hn::IfThenElseZero(sees(t), exp(t))); },
           [&](size_t t) { keep(t, exp(t)); });
  // What a tile of values reads for its other queries.
  const size_t from = first_key(b, query - std::min(query, kTileRows - 1)) / kValueKeys * kValueKeys;
  const size_t to = end_key(b, query + kLanes, kTileRows);
  for (size_t t = from; t < begin; ++t) hn::StoreU(hn::Zero(d), d, at(t));
  for (size_t t = end; t < to; ++t) hn::StoreU(hn::Zero(d), d, at(t));
  const V shrink = b.first ? hn::Zero(d) : hn::Exp(d, hn::Sub(before, largest));
  hn::StoreU(largest, d, b.largest + query);
  hn::StoreU(b.first ? total : hn::MulAdd(hn::LoadU(d, b.total + query), shrink, total), d, b.total + query);
  return shrink;
}

void shrink_sums(const AttentionBlock& b, size_t query, const float* shrink) {
  const D d;
  for (size_t i = 0; i < std::min(kLanes, b.query_count - query); ++i) {
    if (shrink[i] == 1) continue;
    float* out = b.out + (query + i) * b.out_stride;
    size_t c = 0;
    for (; c + kLanes <= b.value_dim; c += kLanes)
      hn::StoreU(hn::Mul(hn::LoadU(d, out + c), hn::Set(d, shrink[i])), d, out + c);
    for (; c < b.value_dim; ++c) out[c] *= shrink[i];
  }
}

// out[i] += Σ scores[t, i] · values[t].
void sum_values(const AttentionBlock& b) {
  constexpr size_t kWidth = kTileVectors * kLanes;
  for (size_t t = 0; t < b.count; t += kValueKeys) {
    const size_t keys = std::min(kValueKeys, b.count - t);
    for (size_t i = 0; i < b.query_count; i += kTileRows) {
      const size_t rows = std::min(kTileRows, b.query_count - i);
      const size_t end = std::min(t + keys, end_key(b, i, rows));
      if (end <= t || first_key(b, i) >= t + keys) continue;
      for (size_t c = 0; c < b.value_dim; c += kWidth) {
        const Tile<float> tile = {b.scores + t * kAttentionQueries + i,
                                  kAttentionQueries,
                                  b.values + t * b.value_stride + c,
                                  b.value_stride,
                                  end - t,
                                  true,
                                  b.out + i * b.out_stride + c,
                                  b.out_stride};
        const size_t left = b.value_dim - c;
        if (left <= kNarrow * kLanes) {
          sum_some<kNarrow, Side::kColumns>(tile, rows, left);
        } else {
          sum_some<kTileVectors, Side::kColumns>(tile, rows, left);
        }
      }
    }
  }
}

void AddKeys(const AttentionBlock& b) {
  const D d;
  sum_scores(b);
  for (size_t query = 0; query < b.query_count; query += kLanes) {
    HWY_ALIGN float shrink[kLanes];
    hn::Store(exp_scores(b, query), d, shrink);
    if (!b.first) shrink_sums(b, query, shrink);
  }
  if (b.first) {
    for (size_t i = 0; i < b.query_count; ++i) std::fill_n(b.out + i * b.out_stride, b.value_dim, 0.0f);
  }
  sum_values(b);
}

}  // namespace attention
}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();
#endif
