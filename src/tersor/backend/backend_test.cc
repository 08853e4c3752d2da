// Every operation of every back end against the reference, on shapes that are no multiple of any block.
#include "tersor/backend/backend.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "guarded_backend.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/base/float_types.h"

namespace tersor {
namespace {

// Under GCC ThreadSanitizer does not see the barriers of libgomp, and takes every parallel loop for a race.
// (Clang's OpenMP tells it of them: the `tsan` preset.)
#ifdef __SANITIZE_THREAD__
constexpr size_t kThreads = 1;
#else
constexpr size_t kThreads = 2;
#endif

struct Candidate {
  const char* name;
  std::unique_ptr<Backend> (*make)();
  // Unit roundoff of what goes into matmul: 2^-24 of f32, 2^-9 of bf16.
  double matmul_roundoff = 0x1p-24;
};

std::vector<Candidate> candidates() {
  std::vector<Candidate> list = {
      {"reference", make_reference_backend},
      {"guarded", make_guarded_backend},
      {"cpu_f32", [] { return make_cpu_backend(MatmulPrecision::kF32, kThreads); }},
  };
  try {
    make_cpu_backend(MatmulPrecision::kBF16, kThreads);
    list.push_back({"cpu_bf16", [] { return make_cpu_backend(MatmulPrecision::kBF16, kThreads); }, 0x1p-9});
  } catch (const Error&) {  // this CPU has none
  }
  return list;
}

class BackendTest : public ::testing::TestWithParam<Candidate> {
 protected:
  std::unique_ptr<Backend> backend = GetParam().make();
  std::unique_ptr<Backend> reference = make_reference_backend();
  std::mt19937 random{7};

  std::vector<float> normal(size_t n, float spread = 1) {
    std::normal_distribution<float> distribution(0, spread);
    std::vector<float> values(n);
    for (float& v : values) v = distribution(random);
    return values;
  }
  // Numbers that bf16 holds, so that a back end which rounds to it loses nothing.
  std::vector<float> normal_bf16(size_t n, float spread = 1) {
    auto values = normal(n, spread);
    for (float& v : values) v = to_float(bfloat16_from(v));
    return values;
  }
  static DeviceTensor put(Backend& b, const std::vector<float>& values, size_t rows, size_t cols) {
    const DeviceTensor t = b.allocate(DType::kF32, rows, cols);
    b.copy_in(t, values.data());
    return t;
  }
  static DeviceTensor put_bf16(Backend& b, const std::vector<float>& values, size_t rows, size_t cols) {
    std::vector<uint16_t> bits;
    for (float v : values) bits.push_back(bfloat16_from(v).bits);
    const DeviceTensor t = b.allocate(DType::kBF16, rows, cols);
    b.copy_in(t, bits.data());
    return t;
  }
  static DeviceTensor put_ids(Backend& b, const std::vector<int32_t>& ids) {
    const DeviceTensor t = b.allocate(DType::kI32, 1, ids.size());
    b.copy_in(t, ids.data());
    return t;
  }
  template <typename T = float>
  static std::vector<T> get(Backend& b, const DeviceTensor& t) {
    std::vector<T> values(t.size());
    b.copy_out(t, values.data());
    return values;
  }

  // Runs `f(backend) → tensor` on both; every entry within `tolerance`, absolute.
  template <typename F>
  void compare(F&& f, double tolerance) {
    const std::vector<float> expected = get(*reference, f(*reference));
    const std::vector<float> got = get(*backend, f(*backend));
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], tolerance) << "entry " << i;
  }
};

TEST_P(BackendTest, SaysWhatItIs) { EXPECT_FALSE(backend->describe().empty()); }

TEST_P(BackendTest, MovesBlocks) {
  const auto x = normal(5 * 7);
  compare(
      [&](Backend& b) {
        const DeviceTensor y = b.allocate(DType::kF32, 4, 9);
        b.fill_zero(y);
        b.copy_block(put(b, x, 5, 7), 1, 2, 3, 4, y, 1, 5);
        return y;
      },
      0);
}

// Bit for bit: ties, the smallest and largest numbers, infinities, NaNs of every payload.
TEST_P(BackendTest, ConvertsToBf16AndBack) {
  const size_t rows = 3, cols = 37;
  auto x = normal(rows * cols, 100);
  const uint32_t bits[] = {0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0xBF808000, 0x00000001,
                           0x00008000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001,
                           0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0x00000000};
  for (size_t i = 0; i < std::size(bits); ++i) x[i] = std::bit_cast<float>(bits[i]);
  const DeviceTensor narrow = backend->allocate(DType::kBF16, rows, cols),
                     wide = backend->allocate(DType::kF32, rows, cols);
  backend->convert(put(*backend, x, rows, cols), narrow);
  backend->convert(narrow, wide);
  const auto codes = get<uint16_t>(*backend, narrow);
  const auto back = get(*backend, wide);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(codes[i], bfloat16_from(x[i]).bits) << i;
    EXPECT_EQ(std::bit_cast<uint32_t>(back[i]), uint32_t{codes[i]} << 16) << i;
  }
  EXPECT_THROW(backend->convert(narrow, narrow), std::logic_error);
  EXPECT_THROW(backend->convert(wide, backend->allocate(DType::kBF16, cols, rows)), std::logic_error);
}

TEST_P(BackendTest, MultipliesByWeights) {
  for (const auto& [m, out, in] : {std::tuple{1, 65, 33}, {3, 16, 64}, {37, 70, 130}, {130, 7, 5}}) {
    const auto rows = static_cast<size_t>(m), n = static_cast<size_t>(out), k = static_cast<size_t>(in);
    const auto x = normal(rows * k), w = normal(n * k), bias = normal(n);
    // |Σ xw| in error by at most (k + 2) roundoffs of Σ|xw|, which is below 3k for normal numbers here.
    const double tolerance =
        3.0 * static_cast<double>(k) * (GetParam().matmul_roundoff * 2 + static_cast<double>(k) * 0x1p-24);
    for (const bool with_bias : {false, true}) {
      compare(
          [&](Backend& b) {
            const DeviceTensor y = b.allocate(DType::kF32, rows, n);
            b.matmul(put(b, x, rows, k), *b.pack(put(b, w, n, k)),
                     with_bias ? put(b, bias, 1, n) : DeviceTensor{}, y);
            return y;
          },
          tolerance);
    }
  }
}

// Every number of rows of a tile and its rests, every kind of rest of the outputs, one and more panels.
TEST_P(BackendTest, MultipliesByBf16Weights) {
  const std::vector<std::pair<size_t, size_t>> shapes = {{1, 1},   {16, 40},   {31, 7},    {33, 64},
                                                         {64, 33}, {70, 1030}, {129, 511}, {200, 513}};
  for (const auto& shape : shapes) {
    const size_t n = shape.first, k = shape.second;
    const auto w = normal_bf16(n * k), bias = normal(n);
    const double tolerance = 3.0 * static_cast<double>(k) * static_cast<double>(k + 2) * 0x1p-24;
    for (const size_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 17, 100}) {
      const auto x = normal_bf16(rows * k);
      compare(
          [&](Backend& b) {
            const DeviceTensor y = b.allocate(DType::kF32, rows, n);
            b.matmul(put(b, x, rows, k), *b.pack(put_bf16(b, w, n, k)),
                     rows % 2 == 0 ? put(b, bias, 1, n) : DeviceTensor{}, y);
            return y;
          },
          tolerance);
    }
  }
}

TEST_P(BackendTest, MultipliesMatrices) {
  const auto a = normal(6 * 9), c = normal(9 * 4), start = normal(6 * 4);
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      compare(
          [&](Backend& b) {
            const DeviceTensor y = put(b, start, 6, 4);
            b.gemm(0.5f, ta ? put(b, a, 9, 6) : put(b, a, 6, 9), ta, tb ? put(b, c, 4, 9) : put(b, c, 9, 4),
                   tb, 2.0f, y);
            return y;
          },
          1e-5);
    }
  }
  const auto x = normal_bf16(50 * 70);
  compare(
      [&](Backend& b) {
        const DeviceTensor h = b.allocate(DType::kF32, 70, 70);
        b.fill_zero(h);
        b.syrk(2.0f, put(b, x, 50, 70), 0.0f, h);
        b.syrk(0.5f, put(b, x, 50, 70), 1.0f, h);
        return h;
      },
      1e-3);
}

TEST_P(BackendTest, FactorsAndInverts) {
  const size_t n = 90;
  const auto x = normal_bf16(2 * n * n);
  const auto hessian = [&](Backend& b) {
    const DeviceTensor h = b.allocate(DType::kF32, n, n);
    b.syrk(1.0f / (2 * n), put(b, x, 2 * n, n), 0, h);
    return h;
  };
  // The condition number is about 34 ((1 + √½)² / (1 - √½)²): 34 · n · 2^-24 is below 2e-4.
  compare(
      [&](Backend& b) {
        const DeviceTensor h = hessian(b);
        EXPECT_TRUE(b.cholesky(h));
        return h;
      },
      1e-3);
  compare(
      [&](Backend& b) {
        const DeviceTensor h = hessian(b);
        b.cholesky(h);
        b.invert_lower(h);
        return h;
      },
      1e-3);
  std::vector<float> indefinite(9, 1.0f);
  indefinite[4] = -1;
  EXPECT_FALSE(backend->cholesky(put(*backend, indefinite, 3, 3)));
}

TEST_P(BackendTest, Normalizes) {
  const auto x = normal(5 * 37, 3), w = normal(37), bias = normal(37);
  for (const bool layer : {false, true}) {
    for (const bool offset : {false, true}) {
      for (const bool affine : {false, true}) {
        compare(
            [&](Backend& b) {
              const DeviceTensor y = put(b, x, 5, 37);
              b.norm({layer, offset, 1e-5f}, y, affine ? put(b, w, 1, 37) : DeviceTensor{},
                     affine ? put(b, bias, 1, 37) : DeviceTensor{}, y);
              return y;
            },
            1e-5);
      }
    }
  }
}

TEST_P(BackendTest, Rotates) {
  const auto x = normal(4 * 3 * 16), angles = normal(9 * 4);
  std::vector<float> cos, sin;
  for (float a : angles) {
    cos.push_back(std::cos(a));
    sin.push_back(std::sin(a));
  }
  for (const bool interleaved : {false, true}) {
    compare(
        [&](Backend& b) {
          const DeviceTensor y = put(b, x, 4, 48);
          b.rotary({3, 16, 5, 8, interleaved, 5}, put(b, cos, 9, 4), put(b, sin, 9, 4), y);
          return y;
        },
        1e-6);
  }
}

TEST_P(BackendTest, Attends) {
  struct Case {
    size_t queries, keys, heads, kv_heads, head_dim, value_dim, window;
    float soft_cap;
  };
  for (const Case& c : {Case{1, 1, 1, 1, 4, 4, 0, 0}, Case{70, 70, 4, 2, 8, 8, 0, 0},
                        Case{3, 300, 4, 1, 16, 12, 0, 0}, Case{150, 400, 2, 2, 8, 8, 40, 0},
                        Case{65, 65, 2, 1, 8, 8, 1, 2.0f}, Case{1, 600, 3, 3, 5, 7, 100, 4.0f},
                        Case{200, 333, 4, 2, 64, 64, 0, 0}, Case{130, 130, 2, 1, 80, 48, 50, 0},
                        Case{97, 600, 2, 2, 33, 130, 0, 3.0f}, Case{16, 16, 1, 1, 1, 1, 0, 0}}) {
    const auto q = normal_bf16(c.queries * c.heads * c.head_dim, 2),
               k = normal_bf16(c.keys * c.kv_heads * c.head_dim, 2);
    const auto v = normal_bf16(c.keys * c.kv_heads * c.value_dim);
    // Scores of some hundreds have ULPs of 2^-16 and shift probabilities by as much. A probability that is
    // itself rounded before it meets a value is off by the roundoff, which moves a mean of values by less
    // than that part of the largest.
    constexpr double kLargest = 6;
    ASSERT_LT(std::max(std::ranges::max(v), -std::ranges::min(v)), kLargest);
    const double tolerance = 4e-5 + kLargest * GetParam().matmul_roundoff;
    compare(
        [&](Backend& b) {
          const DeviceTensor out = b.allocate(DType::kF32, c.queries, c.heads * c.value_dim);
          b.attention({c.heads, c.kv_heads, c.head_dim, c.value_dim, 0.4f, c.soft_cap, c.window},
                      put(b, q, c.queries, c.heads * c.head_dim), put(b, k, c.keys, c.kv_heads * c.head_dim),
                      put(b, v, c.keys, c.kv_heads * c.value_dim), out);
          return out;
        },
        tolerance);
  }
}

TEST_P(BackendTest, AppliesFunctions) {
  auto x = normal(7 * 21, 4);
  x[0] = 100;  // where exp overflows
  x[1] = -100;
  const auto up = normal(7 * 21);
  compare(
      [&](Backend& b) {
        const DeviceTensor y = put(b, x, 7, 21);
        b.softmax(y, y);
        return y;
      },
      1e-6);
  for (Activation a :
       {Activation::kSilu, Activation::kGelu, Activation::kGeluTanh, Activation::kRelu, Activation::kRelu2}) {
    compare(
        [&](Backend& b) {
          const DeviceTensor y = put(b, x, 7, 21);
          b.activate(a, y, y);
          return y;
        },
        2e-3);  // relu2 of 100 has an ULP of 1e-3
    compare(
        [&](Backend& b) {
          const DeviceTensor y = put(b, x, 7, 21);
          b.gated(a, y, put(b, up, 7, 21), y);
          return y;
        },
        2e-3);
  }
  compare(
      [&](Backend& b) {
        const DeviceTensor y = put(b, x, 7, 21);
        b.add(y, 0.3f, put(b, up, 7, 21), y);
        b.multiply(y, put(b, up, 7, 21), y);
        b.scale(1.5f, y, y);
        b.soft_cap(3.0f, y, y);
        b.sigmoid_scale_rows(put(b, {1, 2, 3, -1, -2, 0, 50}, 7, 1), y);
        return y;
      },
      1e-4);
}

// Slices of any width give the sums of the whole row.
TEST_P(BackendTest, FoldsSoftmaxOverSlices) {
  const size_t rows = 5, n = 301;
  const auto x = normal(rows * n, 5), other = normal(rows * n, 5);
  const std::vector<int32_t> targets = {0, 300, 100, 99, 7};
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> start;
  for (size_t r = 0; r < rows; ++r) start.insert(start.end(), {-infinity, 0, 0, 0, 0});
  for (const size_t width : {301u, 100u, 1u}) {
    const DeviceTensor all = put(*backend, x, rows, n), others = put(*backend, other, rows, n);
    const DeviceTensor state = put(*backend, start, rows, kSoftmaxSums);
    for (size_t begin = 0; begin < n; begin += width) {
      const size_t count = std::min(width, n - begin);
      const DeviceTensor a = backend->allocate(DType::kF32, rows, count);
      const DeviceTensor b = backend->allocate(DType::kF32, rows, count);
      backend->copy_block(all, 0, begin, rows, count, a, 0, 0);
      backend->copy_block(others, 0, begin, rows, count, b, 0, 0);
      backend->fold_softmax(a, begin, b, put_ids(*backend, targets), state);
    }
    const std::vector<float> got = get(*backend, state);
    for (size_t r = 0; r < rows; ++r) {
      const float* row = x.data() + r * n;
      const float* best = std::max_element(row, row + n);
      double sum = 0, difference = 0, magnitude = 0;
      for (size_t i = 0; i < n; ++i) {
        const double e = std::exp(double{row[i]} - *best), d = double{row[i]} - other[r * n + i];
        sum += e;
        difference += e * d;
        magnitude += e * std::abs(d);
      }
      // Exponentials are good to 2 roundoffs, and each of up to n sums and rescalings adds one.
      const double tolerance = static_cast<double>(n) * 0x1p-23;
      EXPECT_EQ(got[5 * r], *best);
      EXPECT_EQ(got[5 * r + 1], static_cast<float>(best - row));
      EXPECT_NEAR(got[5 * r + 2], sum, tolerance * sum);
      EXPECT_NEAR(got[5 * r + 3], difference, tolerance * magnitude);
      EXPECT_EQ(got[5 * r + 4], row[targets[r]]);
    }
  }
}

TEST_P(BackendTest, LooksUpAndMovesRows) {
  const auto table = normal(11 * 6), x = normal(3 * 6), start = normal(5 * 6);
  compare(
      [&](Backend& b) {
        const DeviceTensor y = b.allocate(DType::kF32, 3, 6);
        b.embed(put(b, table, 11, 6), put_ids(b, {10, 0, 3}), y);
        return y;
      },
      0);
  compare(
      [&](Backend& b) {
        const DeviceTensor y = b.allocate(DType::kF32, 3, 6);
        b.gather_rows(put(b, table, 11, 6), put_ids(b, {7, 7, 1}), y);
        return y;
      },
      0);
  compare(
      [&](Backend& b) {
        const DeviceTensor y = put(b, start, 5, 6);
        b.scatter_add_rows(put(b, x, 3, 6), put_ids(b, {4, 0, 2}), put(b, {0.5f, -1, 2}, 1, 3), y);
        return y;
      },
      1e-6);
}

TEST_P(BackendTest, Routes) {
  const size_t tokens = 20, experts = 12;
  const auto logits = normal(tokens * experts), bias = normal(experts, 0.3f);
  for (const RouteArgs& args : {RouteArgs{.top_k = 3}, RouteArgs{.top_k = 2, .renormalize = true},
                                RouteArgs{.top_k = 4, .softmax_after = true},
                                RouteArgs{.top_k = 3,
                                          .sigmoid = true,
                                          .renormalize = true,
                                          .scale = 2.5f,
                                          .groups = 4,
                                          .top_groups = 2,
                                          .group_score_top = 2},
                                RouteArgs{.top_k = 3, .groups = 4, .top_groups = 1}}) {
    std::vector<int32_t> chosen[2];
    size_t turn = 0;
    compare(
        [&](Backend& b) {
          const DeviceTensor ids = b.allocate(DType::kI32, tokens, args.top_k);
          const DeviceTensor weights = b.allocate(DType::kF32, tokens, args.top_k);
          b.route(args, put(b, logits, tokens, experts),
                  args.sigmoid ? put(b, bias, 1, experts) : DeviceTensor{}, ids, weights);
          chosen[turn++] = get<int32_t>(b, ids);
          return weights;
        },
        1e-6);
    EXPECT_EQ(chosen[0], chosen[1]);
    if (args.softmax_after) {  // by hand: softmax over the chosen logits
      double total = 0;
      for (size_t i = 0; i < args.top_k; ++i) total += std::exp(logits[static_cast<size_t>(chosen[0][i])]);
      EXPECT_GT(total, 0);
    }
  }
}

TEST_P(BackendTest, QuantizesActivations) {
  using Kind = ActivationQuantArgs::Kind;
  const auto x = normal(3 * 64, 2);
  std::vector<ActivationQuantArgs> all(7);
  all[1].symmetric = false;
  all[2].kind = Kind::kFloat8;
  all[3] = {.kind = Kind::kFloat8, .group_size = 32};
  all[4] = {.kind = Kind::kFloat4, .group_size = 32, .power_of_two = true};
  all[5] = {.kind = Kind::kFloat4, .group_size = 16, .global_scale = 300};
  all[6] = {.static_scale = 0.03f};
  const double largest_error[] = {0.05, 0.05, 0.5, 0.5, 2.1, 1.6, 3.5};
  for (size_t i = 0; i < all.size(); ++i) {
    const auto run = [&](Backend& b) {
      const DeviceTensor y = put(b, x, 3, 64);
      b.fake_quantize(all[i], y, y);
      return y;
    };
    compare(run, 0);
    const auto y = get(*backend, run(*backend));
    for (size_t j = 0; j < y.size(); ++j) EXPECT_NEAR(y[j], x[j], largest_error[i]) << i;
  }
}

// The power of two that each MX format takes, on both sides of where it changes.
TEST_P(BackendTest, MxScalesArePowersOfTwo) {
  using Kind = ActivationQuantArgs::Kind;
  const auto round_trip = [&](Kind kind, std::vector<float> x) {
    const DeviceTensor y = put(*backend, x, 1, x.size());
    backend->fake_quantize({.kind = kind, .group_size = x.size(), .power_of_two = true}, y, y);
    return get(*backend, y);
  };
  // fp8: 448 is the largest code under scale 1, so that 449 needs 2; the smallest step of e4m3 is 2^-9.
  EXPECT_EQ(round_trip(Kind::kFloat8, {448, 0x1p-9f}), (std::vector<float>{448, 0x1p-9f}));
  EXPECT_EQ(round_trip(Kind::kFloat8, {449, 0x1p-9f}), (std::vector<float>{448, 0}));
  EXPECT_EQ(round_trip(Kind::kFloat8, {449, 0x1p-8f}), (std::vector<float>{448, 0x1p-8f}));
  // fp4: from 7 on the mantissa rounds up to the next power of two; 0.5 is the smallest step under scale 1.
  EXPECT_EQ(round_trip(Kind::kFloat4, {6.9f, 0.5f}), (std::vector<float>{6, 0.5f}));
  EXPECT_EQ(round_trip(Kind::kFloat4, {7, 1}), (std::vector<float>{8, 1}));
  EXPECT_EQ(round_trip(Kind::kFloat4, {7, 0.4f}), (std::vector<float>{8, 0}));
  EXPECT_EQ(round_trip(Kind::kFloat4, {0, 0}), (std::vector<float>{0, 0}));
}

TEST_P(BackendTest, RefusesShapesThatDoNotFit) {
  const DeviceTensor x = put(*backend, normal(6), 2, 3);
  EXPECT_THROW(backend->matmul(x, *backend->pack(put(*backend, normal(8), 2, 4)), {}, x), std::logic_error);
  EXPECT_THROW(backend->norm({}, x, put(*backend, normal(2), 1, 2), {}, x), std::logic_error);
}

TEST_P(BackendTest, TransposesAndTakesDiagonals) {
  const auto x = normal(37 * 70), square = normal(23 * 23), diagonal = normal(23);
  compare(
      [&](Backend& b) {
        const DeviceTensor y = b.allocate(DType::kF32, 70, 37);
        b.transpose(put(b, x, 37, 70), y);
        return y;
      },
      0);
  compare(
      [&](Backend& b) {
        const DeviceTensor d = b.allocate(DType::kF32, 1, 23);
        b.get_diagonal(put(b, square, 23, 23), d);
        return d;
      },
      0);
  compare(
      [&](Backend& b) {
        const DeviceTensor a = put(b, square, 23, 23);
        b.set_diagonal(a, put(b, diagonal, 1, 23));
        return a;
      },
      0);
}

TEST_P(BackendTest, SumsColumnsAndFindsRanges) {
  const auto x = normal(50 * 1100), y = normal(50 * 1100), start = normal(1100);
  compare(
      [&](Backend& b) {
        const DeviceTensor s = put(b, start, 1, 1100);
        b.add_squares(put(b, x, 50, 1100), s);
        b.add_products(put(b, x, 50, 1100), put(b, y, 50, 1100), s);
        return s;
      },
      100 * 50 * 0x1p-22);
  compare(
      [&](Backend& b) {
        const DeviceTensor ranges = b.allocate(DType::kF32, 50, 2);
        b.row_ranges(put(b, x, 50, 1100), ranges);
        return ranges;
      },
      0);
  std::vector<float> row(40, 1.0f);
  for (const size_t at : {size_t{0}, size_t{17}, size_t{39}}) {
    auto bad = row;
    bad[at] = std::numeric_limits<float>::quiet_NaN();
    const DeviceTensor ranges = backend->allocate(DType::kF32, 1, 2);
    backend->row_ranges(put(*backend, bad, 1, 40), ranges);
    const auto got = get(*backend, ranges);
    EXPECT_TRUE(std::isnan(got[0]) && std::isnan(got[1])) << at;
  }
}

// Column by column the codes are those of quantize_groups, and what is left goes to the columns before: each
// result is checked against its own errors, since one rounding that falls the other way changes all that
// follows it.
TEST_P(BackendTest, SolvesColumns) {
  const size_t n = 19, out = 45, groups = 3;
  auto factor = normal(n * n, 0.2f);
  for (size_t i = 0; i < n; ++i) {
    factor[i * n + i] = 0.5f + std::fabs(factor[i * n + i]);
    for (size_t k = i + 1; k < n; ++k) factor[i * n + k] = 0;
  }
  std::vector<int32_t> group;
  for (size_t i = 0; i < n; ++i) group.push_back(static_cast<int32_t>(i % groups));
  for (const CodeSpec spec :
       {CodeSpec{CodeKind::kInt, 4}, CodeSpec{CodeKind::kInt, 8}, CodeSpec{CodeKind::kInt, 2},
        CodeSpec{CodeKind::kFloat8, 8}, CodeSpec{CodeKind::kFloat4, 4}}) {
    const bool with_zero_points = spec.kind == CodeKind::kInt && spec.num_bits == 4;
    const auto weights = normal(n * out);
    auto scales = normal(groups * out);
    for (float& s : scales) s = 0.05f + std::fabs(s) * 0.1f;
    std::vector<float> zero_points(groups * out);
    for (size_t i = 0; i < zero_points.size(); ++i) zero_points[i] = static_cast<float>(i % 7) - 3;

    const DeviceTensor w = put(*backend, weights, n, out), errors = backend->allocate(DType::kF32, n, out);
    const DeviceTensor codes = backend->allocate(DType::kI8, n, out);
    backend->solve_columns(spec, put(*backend, factor, n, n), put(*backend, scales, groups, out),
                           with_zero_points ? put(*backend, zero_points, groups, out) : DeviceTensor{},
                           put_ids(*backend, group), w, codes, errors);
    const auto got_codes = get<int8_t>(*backend, codes);
    const auto got_errors = get(*backend, errors), values = get(*backend, w);
    for (size_t r = 0; r < out; ++r) {
      for (size_t i = n; i-- > 0;) {
        // What the column was when it was rounded, from the errors of those after it.
        double x = weights[i * out + r], size = std::fabs(x);
        for (size_t j = i + 1; j < n; ++j) {
          x -= double{got_errors[j * out + r]} * factor[j * n + i];
          size += std::fabs(double{got_errors[j * out + r]} * factor[j * n + i]);
        }
        const size_t at = static_cast<size_t>(group[i]) * out + r;
        const float scale = scales[at];
        const auto zero_point = static_cast<int8_t>(with_zero_points ? zero_points[at] : 0);
        float value = 0;
        reference_quantize_kernels().dequantize_groups(&got_codes[i * out + r], 1, 1, 1, spec, &scale,
                                                       &zero_point, &value);
        ASSERT_EQ(values[i * out + r], value);
        const double slack = size * 40 * 0x1p-24;
        ASSERT_NEAR(got_errors[i * out + r] * factor[i * n + i], x - double{value}, slack + 1e-7);
        // The code is that of x, or of a number within the rounding errors of x.
        bool found = false;
        for (const double near : {x - slack, x, x + slack}) {
          const auto v = static_cast<float>(near);
          int8_t code = 0;
          reference_quantize_kernels().quantize_groups(
              {reinterpret_cast<const std::byte*>(&v), DType::kF32, 1, 1}, 1, spec, &scale, &zero_point,
              &code);
          found |= code == got_codes[i * out + r];
        }
        ASSERT_TRUE(found) << "column " << i << ", row " << r << ": " << x / scale;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, BackendTest, ::testing::ValuesIn(candidates()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(GuardedBackendTest, FaultsOnDirectAccess) {
  GuardedBackend backend;
  const DeviceTensor x = backend.allocate(DType::kF32, 1, 1);
  EXPECT_DEATH(
      { [[maybe_unused]] const float element = *static_cast<volatile float*>(x.data<float>()); }, "");
}

}  // namespace
}  // namespace tersor
