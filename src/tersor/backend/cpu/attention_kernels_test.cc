// Attention of many queries in f32: its definition on every SIMD target, and what decides its bits.
#include "tersor/backend/cpu/attention_kernels.h"

#include <cmath>

#include "random_values.h"
#include <gtest/gtest.h>

#include "tersor/backend/backend.h"

namespace tersor {
namespace {

constexpr size_t kDim = 24, kValues = 64;

struct Case {
  size_t queries, keys, window;
  float soft_cap;
};

// Σ softmax(score) · value of the keys that query i sees, the last query all of them.
std::vector<double> attend(const Case& c, size_t i, const std::vector<float>& q, const std::vector<float>& k,
                           const std::vector<float>& v) {
  const size_t end = c.keys - c.queries + i + 1, begin = c.window > 0 && end > c.window ? end - c.window : 0;
  std::vector<double> sums(kValues);
  double total = 0;
  for (size_t t = begin; t < end; ++t) {
    double score = 0;
    for (size_t j = 0; j < kDim; ++j) score += double{q[i * kDim + j]} * k[t * kDim + j];
    if (c.soft_cap > 0) score = c.soft_cap * std::tanh(score / c.soft_cap);
    const double e = std::exp(score);
    total += e;
    for (size_t j = 0; j < kValues; ++j) sums[j] += e * v[t * kValues + j];
  }
  for (double& s : sums) s /= total;
  return sums;
}

TEST(AttentionKernelsTest, BlocksOfKeysAddUpOnEveryTarget) {
  for (const Case& c : {Case{50, 600, 0, 0}, Case{64, 530, 70, 0}, Case{5, 300, 0, 2}, Case{64, 64, 1, 0},
                        Case{33, 257, 290, 0}}) {
    const auto q = normal_values(c.queries * kDim, 1), k = normal_values(c.keys * kDim, 2),
               v = normal_values(c.keys * kValues, 3);
    std::vector<float> panel(kDim * kAttentionQueries);
    for (size_t i = 0; i < c.queries; ++i) {
      for (size_t j = 0; j < kDim; ++j) panel[j * kAttentionQueries + i] = q[i * kDim + j];
    }
    for (const AttentionKernels* kernels : supported_attention_kernels()) {
      // What was there before is not to matter.
      const auto rubbish = [](size_t n) { return std::vector<float>(n, std::nanf("")); };
      auto scores = rubbish(kAttentionKeys * kAttentionQueries), largest = rubbish(kAttentionQueries),
           total = rubbish(kAttentionQueries), out = rubbish(c.queries * kValues);
      for (size_t t = 0; t < c.keys; t += kAttentionKeys) {
        kernels->add_keys({.queries = panel.data(),
                           .query_count = c.queries,
                           .keys = k.data() + t * kDim,
                           .key_stride = kDim,
                           .values = v.data() + t * kValues,
                           .value_stride = kValues,
                           .count = std::min(kAttentionKeys, c.keys - t),
                           .head_dim = kDim,
                           .value_dim = kValues,
                           .seen = static_cast<ptrdiff_t>(c.keys - c.queries + 1) - static_cast<ptrdiff_t>(t),
                           .window = c.window,
                           .first = t == 0,
                           .soft_cap = c.soft_cap,
                           .scores = scores.data(),
                           .largest = largest.data(),
                           .total = total.data(),
                           .out = out.data(),
                           .out_stride = kValues});
      }
      for (size_t i = 0; i < c.queries; ++i) {
        const std::vector<double> expected = attend(c, i, q, k, v);
        for (size_t j = 0; j < kValues; ++j)
          ASSERT_NEAR(out[i * kValues + j] / total[i], expected[j], 2e-5) << kernels->name << ' ' << i;
      }
    }
  }
}

// Neither the number of threads nor which queries are asked for beside it changes a bit of one.
TEST(AttentionKernelsTest, BitsDependOnTheQueryAlone) {
  const size_t rows = 150, keys = 400, heads = 3, dim = 40;
  const auto q = normal_values(rows * heads * dim, 1), k = normal_values(keys * dim, 2),
             v = normal_values(keys * dim, 3);
#ifdef __SANITIZE_THREAD__  // GCC's does not see libgomp's barriers
  const std::vector<size_t> thread_counts = {1};
#else
  const std::vector<size_t> thread_counts = {1, 2, 3};
#endif
  for (const size_t window : {size_t{0}, size_t{30}}) {
    std::vector<float> first;
    for (const size_t threads : thread_counts) {
      const auto b = make_cpu_backend(MatmulPrecision::kF32, threads);
      const auto put = [&](const std::vector<float>& values, size_t cols) {
        const DeviceTensor t = b->allocate(DType::kF32, values.size() / cols, cols);
        b->copy_in(t, values.data());
        return t;
      };
      const DeviceTensor queries = put(q, heads * dim);
      for (const size_t begin : {size_t{0}, size_t{71}}) {
        const DeviceTensor out = b->allocate(DType::kF32, rows - begin, heads * dim);
        b->attention({heads, 1, dim, dim, 0.3f, 0, window}, queries.sub_rows(begin, rows - begin),
                     put(k, dim), put(v, dim), out);
        std::vector<float> values(out.size());
        b->copy_out(out, values.data());
        if (first.empty()) first = values;
        EXPECT_TRUE(
            std::equal(values.begin(), values.end(), first.end() - static_cast<ptrdiff_t>(out.size())))
            << threads << " threads, from " << begin << ", window " << window;
      }
    }
  }
}

}  // namespace
}  // namespace tersor
