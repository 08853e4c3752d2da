// Every SIMD target gives the bits of the reference, for every entry, type, group size and ragged end.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/backend/range_to_scale.h"
#include "tersor/base/float_types.h"

namespace tersor {
namespace {

constexpr DType kDTypes[] = {DType::kBF16, DType::kF16, DType::kF32};
constexpr size_t kGroupSizes[] = {1, 3, 7, 16, 24, 31, 32, 48, 64, 65, 96, 128, 200, 320, 1031};
const CodeSpec kSpecs[] = {{CodeKind::kInt, 2}, {CodeKind::kInt, 4},    {CodeKind::kInt, 5},
                           {CodeKind::kInt, 8}, {CodeKind::kFloat8, 8}, {CodeKind::kFloat4, 4}};

// Elements of one dtype at an address that is not a multiple of anything but their size.
struct Weight {
  std::vector<std::byte> bytes;
  WeightView view;

  Weight(DType dtype, size_t rows, size_t cols) : bytes(rows * cols * dtype_size(dtype) + dtype_size(dtype)) {
    view = {bytes.data() + dtype_size(dtype), dtype, rows, cols};
  }
  size_t size() const { return view.rows * view.cols; }
  void set(size_t i, float x) {
    if (view.dtype == DType::kF32) put(i, x);
    if (view.dtype == DType::kBF16) put(i, bfloat16_from(x));
    if (view.dtype == DType::kF16) put(i, float16_from(x));
  }
  template <typename T>
  void put(size_t i, T x) {
    std::memcpy(bytes.data() + (i + 1) * sizeof(T), &x, sizeof(T));
  }
};

Weight random_weight(DType dtype, size_t rows, size_t cols, std::mt19937& rng) {
  Weight w(dtype, rows, cols);
  std::normal_distribution<float> normal(0, 0.04f);
  for (size_t i = 0; i < w.size(); ++i) w.set(i, rng() % 50 == 0 ? 0.0f : normal(rng));
  return w;
}

// Scales that make most codes different and some saturate; bf16 scales are narrow, f32 ones wide.
std::vector<float> random_scales(size_t count, const CodeSpec& spec, bool narrow, std::mt19937& rng) {
  std::vector<float> out(count);
  for (float& s : out) {
    s = 0.1f / code_max({spec.kind, std::max(spec.num_bits, 2)}) *
        (0.5f + static_cast<float>(rng() % 1000) / 1000);
    if (narrow) s = to_float(bfloat16_from(s));
  }
  return out;
}

class SameBits : public ::testing::TestWithParam<const QuantizeKernels*> {
 protected:
  const QuantizeKernels& k = *GetParam();
  const QuantizeKernels& reference = reference_quantize_kernels();
  std::mt19937 rng{2024};

  void compare_codes(const WeightView& w, size_t group_size, const CodeSpec& spec, const float* scales,
                     const int8_t* zero_points, const std::string& what) {
    std::vector<int8_t> codes(w.rows * w.cols), expected(codes.size());
    k.quantize_groups(w, group_size, spec, scales, zero_points, codes.data());
    reference.quantize_groups(w, group_size, spec, scales, zero_points, expected.data());
    for (size_t i = 0; i < codes.size(); ++i) {
      ASSERT_EQ(codes[i], expected[i]) << what << ": element " << i << " of groups of " << group_size
                                       << ", scale " << scales[i / group_size];
    }
  }
};

bool same(const MinMax& a, const MinMax& b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

TEST_P(SameBits, Ranges) {
  for (DType dtype : kDTypes) {
    for (size_t group_size : kGroupSizes) {
      const size_t rows = 3, groups = 1 + rng() % 40;
      Weight w = random_weight(dtype, rows, groups * group_size, rng);
      for (int i = 0; i < 8; ++i) {  // signs of one kind, zeros of both, what is not finite
        constexpr float kSpecial[] = {NAN, INFINITY, -INFINITY, -0.0f};
        w.set(rng() % w.size(), kSpecial[rng() % 4]);
        const size_t g = rng() % (rows * groups);
        for (size_t c = 0; c < group_size; ++c)
          w.set(g * group_size + c, static_cast<float>(i % 3 - 1) * 0.5f);
      }
      std::vector<MinMax> out(rows * groups), expected(rows * groups);
      k.minmax_groups(w.view, group_size, out.data());
      reference.minmax_groups(w.view, group_size, expected.data());
      for (size_t g = 0; g < out.size(); ++g) {
        ASSERT_TRUE(same(out[g], expected[g]))
            << dtype_name(dtype) << " group " << g << " of " << group_size << ": " << out[g].min << ".."
            << out[g].max << ", not " << expected[g].min << ".." << expected[g].max;
      }
    }
  }
}

TEST_P(SameBits, CodesOfEveryShape) {
  for (DType dtype : kDTypes) {
    for (size_t group_size : kGroupSizes) {
      for (const CodeSpec& spec : kSpecs) {
        const size_t rows = 1 + rng() % 3, groups = 1 + rng() % 7;
        const Weight w = random_weight(dtype, rows, groups * group_size, rng);
        for (bool narrow : {true, false}) {
          const std::vector<float> scales = random_scales(rows * groups, spec, narrow, rng);
          std::vector<int8_t> zero_points(rows * groups);
          for (int8_t& z : zero_points) {
            z = static_cast<int8_t>(static_cast<int>(rng() % (1u << spec.num_bits)) -
                                    (1 << (spec.num_bits - 1)));
          }
          compare_codes(w.view, group_size, spec, scales.data(), nullptr, "symmetric");
          if (spec.kind == CodeKind::kInt) {
            compare_codes(w.view, group_size, spec, scales.data(), zero_points.data(), "with zero points");
          }
        }
      }
    }
  }
}

// Measuring changes no code, and its sums are those of the naive doubles but for the rounding of f32 lanes.
TEST_P(SameBits, MeasuredCodesAndSums) {
  for (DType dtype : kDTypes) {
    for (size_t group_size : kGroupSizes) {
      for (const CodeSpec& spec : kSpecs) {
        const size_t rows = 1 + rng() % 3, groups = 1 + rng() % 70, size = rows * groups * group_size;
        const Weight w = random_weight(dtype, rows, groups * group_size, rng);
        const bool narrow = group_size % 2 == 0;
        const std::vector<float> scales = random_scales(rows * groups, spec, narrow, rng);
        std::vector<int8_t> zero_points(rows * groups, 1);
        const int8_t* zp = spec.kind == CodeKind::kInt && group_size % 3 != 0 ? zero_points.data() : nullptr;
        std::vector<int8_t> codes(size), measured(size);
        double error = 1, norm = 2, expected_error = 1, expected_norm = 2;
        reference.quantize_groups(w.view, group_size, spec, scales.data(), zp, codes.data());
        k.quantize_and_measure(w.view, group_size, spec, scales.data(), zp, measured.data(), &error, &norm);
        ASSERT_EQ(measured, codes) << group_size;
        reference.quantize_and_measure(w.view, group_size, spec, scales.data(), zp, measured.data(),
                                       &expected_error, &expected_norm);
        const double tolerance = (static_cast<double>(size) / 16 + 8) * 0x1p-24;
        ASSERT_NEAR(error, expected_error, tolerance * expected_error) << group_size;
        ASSERT_NEAR(norm, expected_norm, tolerance * expected_norm) << group_size;
      }
    }
  }
}

// Elements that are not finite send their batch to the reference: codes stay the same, sums tell.
TEST_P(SameBits, MeasuredWhereNotFinite) {
  Weight w = random_weight(DType::kBF16, 1, 256, rng);
  w.set(200, INFINITY);
  const std::vector<float> scales = random_scales(8, kSpecs[3], true, rng);
  std::vector<int8_t> codes(256), measured(256);
  double error = 0, norm = 0;
  reference.quantize_groups(w.view, 32, kSpecs[3], scales.data(), nullptr, codes.data());
  k.quantize_and_measure(w.view, 32, kSpecs[3], scales.data(), nullptr, measured.data(), &error, &norm);
  EXPECT_EQ(measured, codes);
  EXPECT_FALSE(std::isfinite(norm));
}

// All bf16 values over all mantissas of a bf16 scale: ties and everything near them.
TEST_P(SameBits, CodesOfEveryBFloat16) {
  Weight w(DType::kBF16, 1, 1 << 16);
  for (size_t i = 0; i < w.size(); ++i) w.put(i, BFloat16{static_cast<uint16_t>(i)});
  for (const CodeSpec& spec : {kSpecs[3], kSpecs[4], kSpecs[5]}) {
    for (uint16_t mantissa = 0; mantissa < 128; mantissa += spec.kind == CodeKind::kInt ? 1 : 5) {
      const float scale = to_float(BFloat16{static_cast<uint16_t>(120 << 7 | mantissa)});
      compare_codes(w.view, 1 << 16, spec, &scale, nullptr, "NaNs too");
      Weight finite(DType::kBF16, 1, 1 << 15);  // without those that send the group to the reference
      for (size_t i = 0; i < finite.size(); ++i) {
        const auto bits = static_cast<uint16_t>(i * 2 + mantissa % 2);
        finite.put(i, BFloat16{(bits & 0x7F80) == 0x7F80 ? uint16_t{0x8000} : bits});
      }
      // Large ones of both signs would add up to infinity, and go there too.
      for (size_t begin = 0; begin < finite.size(); begin += 1 << 10) {
        const WeightView part{finite.view.data + 2 * begin, DType::kBF16, 1, 1 << 10};
        compare_codes(part, 1 << 10, spec, &scale, nullptr, "finite");
      }
    }
  }
}

// fp8 of every finite bf16, under every bf16 mantissa of a scale: in groups of one sign and exponent, so that
// few vectors mix what is looked up with what is not, and shuffled, so that most do. In groups of 32 each
// half of a vector has its own scale.
TEST_P(SameBits, Float8OfEveryBFloat16AndMantissa) {
  Weight w(DType::kBF16, 1, 2 * 0x7F80);
  std::vector<uint16_t> patterns(w.size());
  for (size_t i = 0; i < w.size(); ++i) patterns[i] = static_cast<uint16_t>((i % 2) << 15 | i / 2);
  std::vector<float> scales(w.size() / 32);
  for (const bool shuffled : {false, true}) {
    if (shuffled) {
      // Zeros of both signs, and mostly what has normal codes.
      for (uint16_t& p : patterns) {
        if (rng() % 2 != 0)
          p = static_cast<uint16_t>((rng() % 2) << 15 | (112 + rng() % 14) << 7 | rng() % 128);
        if (rng() % 8 == 0) p = static_cast<uint16_t>((rng() % 2) << 15);
      }
      std::shuffle(patterns.begin(), patterns.end(), rng);
    }
    for (size_t i = 0; i < w.size(); ++i) w.put(i, BFloat16{patterns[i]});
    // Groups take turns with the mantissas; five rounds on, another one is a group's first.
    for (uint16_t mantissa = 0; mantissa < 128; mantissa += 5) {
      const auto exponent = static_cast<uint16_t>(mantissa % 4 == 3 ? 67 + rng() % 67 : 116 + rng() % 3);
      for (size_t i = 0; i < scales.size(); ++i) {
        scales[i] = to_float(BFloat16{static_cast<uint16_t>(exponent << 7 | (mantissa + i) % 128)});
      }
      for (size_t group_size : {size_t{32}, size_t{64}, size_t{96}, w.size()}) {
        const size_t cols = w.size() / group_size * group_size;
        compare_codes({w.view.data, DType::kBF16, 1, cols}, group_size, kSpecs[4], scales.data(), nullptr,
                      "every bf16");
      }
    }
  }
}

// f32 elements at and one ulp beside the edges of codes, over scales of 24 significant bits.
TEST_P(SameBits, CodesBesideTies) {
  for (const CodeSpec& spec : kSpecs) {
    for (int i = 0; i < 400; ++i) {
      const float scale =
          std::ldexp(1 + static_cast<float>(rng() % (1 << 23)) * 0x1p-23f, static_cast<int>(rng() % 60) - 40);
      Weight w(DType::kF32, 1, 128);
      for (size_t c = 0; c < w.size(); ++c) {
        const double edge =
            (static_cast<int>(rng() % 1024) - 512) * (spec.kind == CodeKind::kFloat8 ? 0x1p-10 : 0.25);
        auto x = static_cast<float>(edge * scale);
        if (rng() % 3 != 0) x = std::nextafter(x, rng() % 2 != 0 ? INFINITY : -INFINITY);
        w.set(c, x);
      }
      compare_codes(w.view, 128, spec, &scale, nullptr, "beside ties");
      const int8_t zero_point = 1;
      if (spec.kind == CodeKind::kInt) compare_codes(w.view, 128, spec, &scale, &zero_point, "beside ties");
    }
  }
}

// Quotients as near as f32 allows to the middle of two floats: x · 2^25 = middle · scale ± 1 in integers,
// where the middle is odd of 25 bits and scale is its inverse modulo 2^25.
struct HardQuotient {
  float x, scale;
};
std::vector<HardQuotient> hard_quotients(uint64_t first_middle, uint64_t step, size_t count) {
  std::vector<HardQuotient> out;
  for (uint64_t middle = first_middle; out.size() < count && middle < 1 << 25; middle += step) {
    uint64_t inverse = middle;
    for (int i = 0; i < 6; ++i) inverse *= 2 - middle * inverse;
    inverse &= (1 << 25) - 1;
    for (const bool negated : {false, true}) {
      const uint64_t scale = negated ? (1 << 25) - inverse : inverse;
      const uint64_t x = (middle * scale + (negated ? 1 : uint64_t{0} - 1)) >> 25;
      if (scale >> 24 != 0 || scale < 1 << 20 || x >> 24 != 0) continue;
      out.push_back({static_cast<float>(x) * 0x1p-30f, static_cast<float>(scale) * 0x1p-30f});
    }
  }
  return out;
}

TEST_P(SameBits, HardQuotients) {
  // 1/2 + 2^-24 rounds up, to a float whose code is 1 and not 0.
  const float scale = 0x1.fffffep-7f;
  Weight tie(DType::kF32, 1, 64);
  for (size_t i = 0; i < 64; ++i) tie.set(i, 0x1p-7f);
  compare_codes(tie.view, 64, {}, &scale, nullptr, "just above a tie");
  // Errors show every bit of a quotient.
  size_t compared = 0;
  for (const HardQuotient& h : hard_quotients((1 << 24) + 1, 2 * 3001, 4000)) {
    const MinMax range{0, h.scale * kFloat4E2M1Max};
    const CodeSpec fp4{CodeKind::kFloat4, 4};
    if (range_to_scale(range, fp4, true, ScaleStorage::kFloat32).scale != h.scale) continue;
    Weight w(DType::kF32, 1, 2);
    w.set(0, h.x);
    double error = 0, expected = 0;
    const MseGrid one_step{.maxshrink = 1, .grid = 1, .norm = 2};
    k.mse_grid_errors(w.view, range, fp4, true, ScaleStorage::kFloat32, one_step, &error);
    reference.mse_grid_errors(w.view, range, fp4, true, ScaleStorage::kFloat32, one_step, &expected);
    ASSERT_EQ(error, expected) << h.x << " / " << h.scale;
    ++compared;
  }
  EXPECT_GT(compared, 1000u);
}

TEST_P(SameBits, CodesOfExtremeScalesAndElements) {
  constexpr float kScales[] = {0x1p-149f, 0x1p-127f, 1e-30f, 0x1p-60f, 0x1p60f,
                               1e30f,     3e38f,     0.0f,   INFINITY, NAN};
  constexpr float kElements[] = {0.0f, -0.0f,  0x1p-149f, -0x1p-149f, 1e-40f,    -1e-20f,
                                 1.0f, -3e38f, 3e38f,     INFINITY,   -INFINITY, NAN};
  for (const CodeSpec& spec : kSpecs) {
    for (float scale : kScales) {
      for (float element : kElements) {
        Weight w = random_weight(DType::kF32, 1, 64, rng);
        w.set(rng() % 64, element);
        w.set(rng() % 64, -element);
        compare_codes(w.view, 64, spec, &scale, nullptr, "extreme");
      }
    }
  }
}

TEST_P(SameBits, Values) {
  for (size_t group_size : kGroupSizes) {
    for (const CodeSpec& spec : kSpecs) {
      const size_t rows = 2, groups = 3, size = rows * groups * group_size;
      const std::vector<float> scales = random_scales(rows * groups, spec, false, rng);
      std::vector<int8_t> codes(size), zero_points(rows * groups);
      for (int8_t& q : codes) q = static_cast<int8_t>(rng() % (spec.kind == CodeKind::kFloat4 ? 16 : 256));
      for (int8_t& z : zero_points) z = static_cast<int8_t>(rng() % 256);
      std::vector<float> values(size), expected(size);
      const int8_t* zp = spec.kind == CodeKind::kInt && group_size % 2 == 0 ? zero_points.data() : nullptr;
      k.dequantize_groups(codes.data(), rows, groups * group_size, group_size, spec, scales.data(), zp,
                          values.data());
      reference.dequantize_groups(codes.data(), rows, groups * group_size, group_size, spec, scales.data(),
                                  zp, expected.data());
      for (size_t i = 0; i < size; ++i) {
        if (std::isnan(expected[i])) {
          ASSERT_TRUE(std::isnan(values[i]));
        } else {
          ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), std::bit_cast<uint32_t>(expected[i]))
              << int{codes[i]};
        }
      }
    }
  }
}

TEST_P(SameBits, SquaredErrors) {
  for (DType dtype : kDTypes) {
    for (size_t cols : kGroupSizes) {
      Weight w = random_weight(dtype, 3, cols, rng);
      const Weight other = random_weight(DType::kF32, 3, cols, rng);
      for (size_t c = 0; c < cols; ++c)
        w.set(c, 1e-30f * static_cast<float>(rng() % 100));  // summed in double
      const auto* values = reinterpret_cast<const float*>(other.view.data);
      double error = 1, norm = 2, expected_error = 1, expected_norm = 2;
      k.squared_error(w.view, values, &error, &norm);
      reference.squared_error(w.view, values, &expected_error, &expected_norm);
      ASSERT_EQ(error, expected_error) << cols;
      ASSERT_EQ(norm, expected_norm) << cols;
    }
  }
}

constexpr ScaleStorage kStorages[] = {ScaleStorage::kBFloat16, ScaleStorage::kFloat16, ScaleStorage::kFloat32,
                                      ScaleStorage::kE8M0};

TEST_P(SameBits, MseRanges) {
  int i = 0;
  for (DType dtype : kDTypes) {
    for (size_t group_size : {1, 16, 24, 32, 100, 128, 512, 530, 1100}) {
      for (const CodeSpec& spec : kSpecs) {
        ++i;
        const double norms[] = {2.4, 2.0, 3.0, 1.7};
        MseGrid grid{.maxshrink = 0.6, .grid = 20 + i % 30, .norm = norms[i % 4], .patience = i % 6};
        if (spec.kind == CodeKind::kFloat4 && i % 2 == 0)
          grid.nvfp4_global_scale = 20.0f * static_cast<float>(i);
        const ScaleStorage storage = kStorages[spec.kind == CodeKind::kInt ? i % 3 : i % 4];
        const bool symmetric = spec.kind != CodeKind::kInt || i % 2 == 0;
        const size_t groups = group_size < 100 ? 3 : 2;
        Weight w = random_weight(dtype, 1, groups * group_size, rng);
        for (size_t c = 0; c < group_size; ++c)
          w.set(c, i % 3 == 0 ? 0 : 1e-7f * static_cast<float>(rng() % 7));
        std::vector<float> importance(w.view.cols);
        for (float& x : importance) x = static_cast<float>(rng() % 1000) / 500;
        const float* weights = i % 2 == 0 ? importance.data() : nullptr;
        std::vector<MinMax> out(groups), expected(groups);
        k.mse_groups(w.view, group_size, spec, symmetric, storage, grid, weights, out.data());
        reference.mse_groups(w.view, group_size, spec, symmetric, storage, grid, weights, expected.data());
        for (size_t g = 0; g < groups; ++g) {
          ASSERT_TRUE(same(out[g], expected[g]))
              << group_size << ", norm " << grid.norm << ": " << out[g].max << ", not " << expected[g].max;
        }
      }
    }
  }
}

TEST_P(SameBits, Scales) {
  for (size_t count : {1, 7, 8, 16, 100}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<MinMax> ranges(count);
      for (MinMax& r : ranges) {
        const float size = std::ldexp(1.0f, static_cast<int>(rng() % 40) - 35);
        r.min = rng() % 4 == 0 ? 0 : -size * static_cast<float>(rng() % 1000);
        r.max = rng() % 4 == 0 ? 0 : size * static_cast<float>(rng() % 1000);
        if (rng() % 8 == 0)
          r = {-1e-41f * static_cast<float>(rng() % 9), 1e-41f * static_cast<float>(rng() % 9)};
        if (rng() % 16 == 0) r = {-0.0f, 0.0f};
        if (rng() % 16 == 0) r = {0, INFINITY};
        if (rng() % 16 == 0) r = {-3e38f, 3e38f};
      }
      for (const CodeSpec& spec : kSpecs) {
        for (ScaleStorage storage : kStorages) {
          for (bool symmetric : {true, false}) {
            if (!symmetric && (spec.kind != CodeKind::kInt || storage == ScaleStorage::kE8M0)) continue;
            std::vector<float> scales(count), expected(count);
            std::vector<int8_t> zero_points(count), expected_zero_points(count);
            k.ranges_to_scales(ranges.data(), count, spec, symmetric, storage, scales.data(),
                               symmetric ? nullptr : zero_points.data());
            reference.ranges_to_scales(ranges.data(), count, spec, symmetric, storage, expected.data(),
                                       expected_zero_points.data());
            ASSERT_EQ(scales, expected);
            ASSERT_EQ(zero_points, expected_zero_points);
          }
        }
      }
      for (float global_scale : {1.0f, 1344.0f, 3e6f}) {
        std::vector<float> scales(count), expected(count);
        std::vector<uint8_t> stored(count), expected_stored(count);
        k.nvfp4_scales(ranges.data(), count, kStorages[round % 3], global_scale, stored.data(),
                       scales.data());
        reference.nvfp4_scales(ranges.data(), count, kStorages[round % 3], global_scale,
                               expected_stored.data(), expected.data());
        ASSERT_EQ(stored, expected_stored);
        ASSERT_EQ(scales, expected);
      }
    }
  }
}

// Sums show more bits than the choice of a range does.
TEST_P(SameBits, MseGridErrors) {
  for (DType dtype : kDTypes) {
    for (size_t cols : {5, 16, 100, 512, 1300}) {
      for (const CodeSpec& spec : kSpecs) {
        for (double norm : {2.4, 2.0, 3.0}) {
          for (ScaleStorage storage : kStorages) {
            if (storage == ScaleStorage::kE8M0 && spec.kind == CodeKind::kInt) continue;
            const bool symmetric = spec.kind != CodeKind::kInt || cols % 2 != 0;
            const Weight w = random_weight(dtype, 2, cols, rng);
            MinMax range;
            k.minmax_groups({w.view.data, dtype, 1, 2 * cols}, 2 * cols, &range);
            const MseGrid grid{.maxshrink = 0.9, .grid = 7, .norm = norm};
            std::vector<double> errors(6, 0.5), expected(6, 0.5);
            k.mse_grid_errors(w.view, range, spec, symmetric, storage, grid, errors.data());
            reference.mse_grid_errors(w.view, range, spec, symmetric, storage, grid, expected.data());
            ASSERT_EQ(errors, expected) << dtype_name(dtype) << " " << cols << " " << norm;
          }
        }
      }
    }
  }
}

// Bytes behind which nothing may be read: sanitizers do not see what gathers read.
class BeforeForbiddenPage {
 public:
  explicit BeforeForbiddenPage(size_t bytes) : bytes_(bytes) {
    EXPECT_LE(bytes, kPage);
    base_ = ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(base_, MAP_FAILED);
    EXPECT_EQ(::mprotect(static_cast<std::byte*>(base_) + kPage, kPage, PROT_NONE), 0);
  }
  ~BeforeForbiddenPage() { ::munmap(base_, 2 * kPage); }
  BeforeForbiddenPage(const BeforeForbiddenPage&) = delete;
  BeforeForbiddenPage& operator=(const BeforeForbiddenPage&) = delete;
  void* data() const { return static_cast<std::byte*>(base_) + kPage - bytes_; }

 private:
  static constexpr size_t kPage = 4096;
  size_t bytes_;
  void* base_ = nullptr;
};

TEST_P(SameBits, Packing) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (size_t count : {0, 1, 63, 64, 65, 127, 128, 129, 250, 256, 512, 513, 1024, 1029}) {
      std::vector<int8_t> codes(count), back(count);
      for (int8_t& q : codes)
        q = static_cast<int8_t>(static_cast<int>(rng() % (1u << bits)) - (1 << (bits - 1)));
      std::vector<uint32_t> words((count * static_cast<size_t>(bits) + 31) / 32), expected(words.size());
      k.pack_row(codes.data(), count, bits, words.data());
      reference.pack_row(codes.data(), count, bits, expected.data());
      ASSERT_EQ(words, expected) << bits << " bits, " << count;
      const BeforeForbiddenPage page(words.size() * sizeof(uint32_t));
      auto* const at_end = static_cast<uint32_t*>(page.data());
      std::ranges::copy(expected, at_end);
      k.unpack_row(at_end, count, bits, back.data());
      ASSERT_EQ(back, codes) << bits << " bits, " << count;
    }
  }
}

std::vector<const QuantizeKernels*> simd_tables() {
  std::vector<const QuantizeKernels*> tables = supported_quantize_kernels();
  tables.erase(tables.begin());
  return tables;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SameBits);
INSTANTIATE_TEST_SUITE_P(Simd, SameBits, ::testing::ValuesIn(simd_tables()),
                         [](const auto& p) { return std::string(p.param->name); });

}  // namespace
}  // namespace tersor
