// Every implementation of the quantization kernels against naive arithmetic and known vectors.
#include "tersor/backend/quantize_kernels.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/backend/range_to_scale.h"
#include "tersor/base/float_types.h"

namespace tersor {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

// A weight matrix that owns its elements.
struct Weight {
  std::vector<std::byte> bytes;
  WeightView view;

  Weight(DType dtype, size_t rows, size_t cols, const std::vector<float>& values)
      : bytes(rows * cols * dtype_size(dtype)) {
    for (size_t i = 0; i < rows * cols; ++i) {
      if (dtype == DType::kF32) put(i, values[i]);
      if (dtype == DType::kBF16) put(i, bfloat16_from(values[i]));
      if (dtype == DType::kF16) put(i, float16_from(values[i]));
    }
    view = {bytes.data(), dtype, rows, cols};
  }
  float at(size_t i) const {
    return visit_weight(view, [i](auto m) { return to_float(m.data[i]); });
  }

 private:
  template <typename T>
  void put(size_t i, T x) {
    std::memcpy(bytes.data() + i * sizeof(T), &x, sizeof(T));
  }
};

std::vector<float> normal_values(size_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> out(count);
  for (float& x : out) x = normal(rng);
  return out;
}

// The integer in [qmin, qmax] nearest to y, ties to even, by search.
int nearest_int(double y, int qmin, int qmax) {
  int best = qmin;
  for (int q = qmin; q <= qmax; ++q) {
    const double d = std::fabs(q - y), b = std::fabs(best - y);
    if (d < b || (d == b && q % 2 == 0)) best = q;
  }
  return best;
}

constexpr CodeSpec kFp8{CodeKind::kFloat8, 8};
constexpr CodeSpec kFp4{CodeKind::kFloat4, 4};

class Kernels : public ::testing::TestWithParam<const QuantizeKernels*> {
 protected:
  const QuantizeKernels& k = *GetParam();

  std::vector<int8_t> quantize(const Weight& w, size_t group_size, const CodeSpec& spec,
                               const std::vector<float>& scales,
                               const std::vector<int8_t>& zero_points = {}) {
    std::vector<int8_t> codes(w.view.rows * w.view.cols);
    k.quantize_groups(w.view, group_size, spec, scales.data(),
                      zero_points.empty() ? nullptr : zero_points.data(), codes.data());
    return codes;
  }
  std::vector<int> quantize_row(DType dtype, const std::vector<float>& row, const CodeSpec& spec,
                                float scale) {
    const auto codes = quantize({dtype, 1, row.size(), row}, row.size(), spec, {scale});
    std::vector<int> out;
    for (int8_t c : codes) out.push_back(spec.kind == CodeKind::kInt ? c : static_cast<uint8_t>(c));
    return out;
  }
  std::vector<uint32_t> pack(const std::vector<int8_t>& codes, int bits) {
    std::vector<uint32_t> words((codes.size() * static_cast<size_t>(bits) + 31) / 32, 0xDEADBEEF);
    k.pack_row(codes.data(), codes.size(), bits, words.data());
    return words;
  }
};

// --- ranges

TEST_P(Kernels, RangeIncludesZero) {
  for (DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    const Weight w(dtype, 1, 8, {1, 2, 3, 4, -1, -2, -3, -0.5f});
    MinMax out[4];
    k.minmax_groups(w.view, 4, out);
    EXPECT_EQ(out[0].min, 0);
    EXPECT_EQ(out[0].max, 4);
    EXPECT_EQ(out[1].min, -3);
    EXPECT_EQ(out[1].max, 0);
    EXPECT_FALSE(std::signbit(out[0].min));
  }
}

TEST_P(Kernels, RangeOfEveryShape) {
  std::mt19937 rng(3);
  for (DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    for (size_t group_size : {1, 3, 7, 16, 24, 32, 40, 64, 96, 128, 200, 577}) {
      const size_t groups = 1 + rng() % 5, rows = 1 + rng() % 3, cols = groups * group_size;
      const Weight w(dtype, rows, cols, normal_values(rows * cols, rng()));
      std::vector<MinMax> out(rows * groups);
      k.minmax_groups(w.view, group_size, out.data());
      for (size_t g = 0; g < out.size(); ++g) {
        float min = 0, max = 0;
        for (size_t i = g * group_size; i < (g + 1) * group_size; ++i) {
          min = std::fmin(min, w.at(i));
          max = std::fmax(max, w.at(i));
        }
        EXPECT_EQ(out[g].min, min) << group_size;
        EXPECT_EQ(out[g].max, max) << group_size;
      }
    }
  }
}

TEST_P(Kernels, RangeReportsWhatIsNotFinite) {
  for (DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    for (float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
      for (size_t group_size : {16, 40, 128}) {
        for (size_t place = 0; place < group_size; place += 5) {
          std::vector<float> values = normal_values(2 * group_size, 1);
          values[group_size + place] = bad;
          const Weight w(dtype, 1, 2 * group_size, values);
          MinMax out[2];
          k.minmax_groups(w.view, group_size, out);
          EXPECT_TRUE(std::isfinite(out[0].max));
          EXPECT_EQ(out[1].max, INFINITY);
          EXPECT_EQ(out[1].min, 0);
        }
      }
    }
  }
}

// --- codes

TEST_P(Kernels, EveryIntCodeAndZeroPoint) {
  for (int bits : {1, 2, 3, 4, 7, 8}) {
    const CodeSpec spec{CodeKind::kInt, bits};
    const int qmin = -(1 << (bits - 1)), qmax = -qmin - 1;
    std::vector<float> row;  // quarters of a step over more than the range, ties included
    for (int i = 9 * qmin; i <= 9 * (qmax + 1); ++i) row.push_back(static_cast<float>(i) * 0.25f * 0.0625f);
    const Weight w(DType::kF32, 1, row.size(), row);
    for (int zero_point = qmin; zero_point <= qmax; zero_point += bits == 8 ? 17 : 1) {
      const auto codes = quantize(w, row.size(), spec, {0.0625f}, {static_cast<int8_t>(zero_point)});
      for (size_t i = 0; i < row.size(); ++i) {
        ASSERT_EQ(codes[i], nearest_int(row[i] / 0.0625 + zero_point, qmin, qmax)) << row[i];
      }
      std::vector<float> values(row.size());
      const float scale = 0.0625f;
      const auto zp = static_cast<int8_t>(zero_point);
      k.dequantize_groups(codes.data(), 1, row.size(), row.size(), spec, &scale, &zp, values.data());
      for (size_t i = 0; i < row.size(); ++i) {
        ASSERT_EQ(values[i], static_cast<float>(codes[i] - zero_point) * 0.0625f);
      }
    }
  }
}

// The quotient is one correctly rounded division: random bits against double, which is exact enough to tell.
TEST_P(Kernels, DividesOnce) {
  std::mt19937 rng(5);
  for (int i = 0; i < 300; ++i) {
    const float scale =
        std::ldexp(1 + static_cast<float>(rng() % (1 << 23)) * 0x1p-23f, static_cast<int>(rng() % 20) - 15);
    std::vector<float> row(64);
    for (float& x : row) {  // quotients next to ties
      const int k2 = 2 * (static_cast<int>(rng() % 256) - 128) + 1;
      x = static_cast<float>(k2) * 0.5f * scale;
      x = std::nextafter(x, rng() % 2 != 0 ? 1e9f : -1e9f);
      if (rng() % 2 != 0) x = static_cast<float>(k2) * 0.5f * scale;
    }
    const auto codes = quantize({DType::kF32, 1, 64, row}, 64, {}, {scale});
    for (size_t c = 0; c < row.size(); ++c) {
      const auto y = static_cast<float>(double{row[c]} / scale);
      ASSERT_EQ(codes[c], nearest_int(y, -128, 127)) << row[c] << " / " << scale;
    }
  }
}

TEST_P(Kernels, EveryFloat8Code) {
  for (float scale : {1.0f, 0.00892857183f, 0.0078125f, 3.0f}) {
    std::vector<float> row;
    std::vector<int> expected;
    for (int c = 0; c < 255; ++c) {
      if (c == 0x7F || c == 0x80) continue;  // NaN; -0.0 becomes 0
      row.push_back(to_float(Float8E4M3{static_cast<uint8_t>(c)}) * scale);
      expected.push_back(c);
    }
    EXPECT_THAT(quantize_row(DType::kF32, row, kFp8, scale), ElementsAreArray(expected));
    std::vector<float> values(row.size());
    std::vector<int8_t> codes(expected.begin(), expected.end());
    k.dequantize_groups(codes.data(), 1, row.size(), row.size(), kFp8, &scale, nullptr, values.data());
    EXPECT_THAT(values, ElementsAreArray(row));
  }
  const int8_t special[3] = {0x7F, -1, -128};
  const float one = 1;
  float values[3];
  k.dequantize_groups(special, 1, 3, 3, kFp8, &one, nullptr, values);
  EXPECT_TRUE(std::isnan(values[0]) && std::isnan(values[1]));
  EXPECT_TRUE(values[2] == 0 && std::signbit(values[2]));
}

TEST_P(Kernels, Float8OfManyFloats) {
  std::mt19937 rng(9);
  std::vector<float> row;
  for (int i = 0; i < 40000; ++i) {
    const float x =
        std::ldexp(1 + static_cast<float>(rng() % 1024) / 1024, static_cast<int>(rng() % 26) - 14);
    row.push_back(rng() % 2 != 0 ? x : -x);
  }
  const auto codes = quantize_row(DType::kF32, row, kFp8, 1);
  for (size_t i = 0; i < row.size(); ++i) ASSERT_EQ(codes[i], float8_e4m3_from(row[i]).bits) << row[i];
}

TEST_P(Kernels, Float8Vectors) {
  const float s = 0x1p-9f, h = 0x1p-10f;
  EXPECT_THAT(
      quantize_row(DType::kF32, {0,  -0.0f, 1,       240,     432, 448, -448,     17,       18,       19,
                                 25, 27,    1.0625f, 1.1875f, s,   h,   1.5f * h, 1.5f * s, 7.5f * s, 0.3f},
                   kFp8, 1),
      ElementsAre(0, 0, 0x38, 0x77, 0x7E, 0x7E, 0xFE, 0x58, 0x59, 0x5A, 0x5C, 0x5E, 0x38, 0x3A, 1, 0, 1, 2, 8,
                  0x2A));
  EXPECT_THAT(quantize_row(DType::kF32, {0.875f, -0.875f, 0, -1e-9f, 0.033203125f, 0.03125f}, kFp8, s),
              ElementsAre(0x7E, 0xFE, 0, 0x80, 0x58, 0x58));
  EXPECT_THAT(quantize_row(DType::kF32, {1, -0.5f, 0.3f, 0.001f, -0.0001f, 0}, kFp8, 1 / 448.0f),
              ElementsAre(0x7E, 0xF6, 0x70, 0x2E, 0x93, 0));
}

TEST_P(Kernels, Float4Ties) {
  EXPECT_THAT(quantize_row(DType::kF32,
                           {0,    -0.0f, -1e-6f, 0.25f, 0.2501f, 0.75f,  1.25f, 1.26f, 1.75f, 2.5f, 2.51f,
                            3.5f, 5,     5.01f,  6,     7,       -0.25f, -0.3f, -2.5f, -3.5f, -5},
                           kFp4, 1),
              ElementsAre(0, 0, 8, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 7, 7, 8, 9, 0xC, 0xE, 0xE));
  std::vector<float> row;
  for (int i = -900; i <= 900; ++i) row.push_back(static_cast<float>(i) / 128);
  const auto codes = quantize_row(DType::kF32, row, kFp4, 1);
  for (size_t i = 0; i < row.size(); ++i) ASSERT_EQ(codes[i], float4_e2m1_from(row[i])) << row[i];
  std::vector<float> values(16);
  std::vector<int8_t> all(16);
  for (int8_t c = 0; c < 16; ++c) all[static_cast<size_t>(c)] = c;
  const float scale = 0.5f;
  k.dequantize_groups(all.data(), 1, 16, 16, kFp4, &scale, nullptr, values.data());
  EXPECT_THAT(values, ElementsAre(0, 0.25f, 0.5f, 0.75f, 1, 1.5f, 2, 3, -0.0f, -0.25f, -0.5f, -0.75f, -1,
                                  -1.5f, -2, -3));
}

TEST_P(Kernels, NotFinite) {
  const std::vector<float> row = {NAN, -NAN, INFINITY, -INFINITY, 1e38f, -1e38f};
  EXPECT_THAT(quantize_row(DType::kF32, row, {}, 0.5f), ElementsAre(0, 0, 127, -128, 127, -128));
  EXPECT_THAT(quantize_row(DType::kF32, row, kFp8, 0.5f), ElementsAre(0x7F, 0x7F, 0x7E, 0xFE, 0x7E, 0xFE));
  EXPECT_THAT(quantize_row(DType::kF32, row, kFp4, 0.5f), ElementsAre(7, 7, 7, 15, 7, 15));
  for (DType dtype : {DType::kBF16, DType::kF16}) {
    EXPECT_THAT(quantize_row(dtype, row, {}, 0.5f), ElementsAre(0, 0, 127, -128, 127, -128));
  }
}

// --- vectors of the format's description

TEST_P(Kernels, IntVectors) {
  const std::vector<float> row = {0.9375f, -0.9375f, 0.0625f, 0.1875f, -0.0625f, -0.1875f, 0.3125f, 0.4375f};
  const CodeSpec int4{CodeKind::kInt, 4};
  for (DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    const auto codes = quantize({dtype, 1, 8, row}, 8, int4, {0.125f});
    EXPECT_THAT(codes, ElementsAre(7, -8, 0, 2, 0, -2, 2, 4));
    EXPECT_THAT(pack(codes, 4), ElementsAre(0xCA68A80Fu));
  }
  // f32 division by the bf16 scale, where bf16 arithmetic would give -100 for the fifth.
  EXPECT_THAT(quantize_row(DType::kF32, {1, -1, 0.5f, 0.3f, -0.7890625f, 0}, {}, 1 / 127.5f),
              ElementsAre(127, -127, 64, 38, -101, 0));
  const std::vector<float> asym = {-0.5f, 0, 0.25f, 1.0f, 0.6f, -0.1f, 0.9f, 0.33f};
  const auto codes = quantize({DType::kF32, 1, 8, asym}, 8, int4, {0.1f}, {-3});
  EXPECT_THAT(codes, ElementsAre(-8, -3, 0, 7, 3, -4, 6, 0));
  EXPECT_THAT(pack(codes, 4), ElementsAre(0x8E4BF850u));
  // 0.25 / bf16(0.1) is 2.4976: bf16 arithmetic would round it to 2.5, and the code to 0.
  EXPECT_THAT(quantize({DType::kBF16, 1, 8, asym}, 8, int4, {to_float(bfloat16_from(0.1f))}, {-3}),
              ElementsAre(-8, -3, -1, 7, 3, -4, 6, 0));
}

TEST_P(Kernels, GroupsHaveTheirOwnScales) {
  const Weight w(DType::kF32, 1, 4, {0.7f, -0.3f, 7, 3});
  EXPECT_THAT(quantize(w, 2, {CodeKind::kInt, 4}, {0.1f, 1.0f}), ElementsAre(7, -3, 7, 3));
}

TEST_P(Kernels, MxVectors) {
  std::vector<float> row;
  for (int i = 0; i < 32; ++i) row.push_back(static_cast<float>(i - 16) * 0.375f);
  const auto fp4 = quantize({DType::kBF16, 1, 32, row}, 32, kFp4, {1.0f});
  std::vector<uint8_t> bytes(16);
  k.pack_nibbles(fp4.data(), 32, bytes.data());
  EXPECT_THAT(bytes, ElementsAre(0xFF, 0xEF, 0xEE, 0xDE, 0xDD, 0xCC, 0xAB, 0x9A, 0x10, 0x22, 0x43, 0x54, 0x55,
                                 0x66, 0x66, 0x77));
  EXPECT_THAT(quantize_row(DType::kBF16, row, kFp8, 0x1p-6f),
              ElementsAre(0xFC, 0xFB, 0xFA, 0xFA, 0xF9, 0xF8, 0xF7, 0xF6, 0xF4, 0xF2, 0xF1, 0xEF, 0xEC, 0xE9,
                          0xE4, 0xDC, 0x00, 0x5C, 0x64, 0x69, 0x6C, 0x6F, 0x71, 0x72, 0x74, 0x76, 0x77, 0x78,
                          0x79, 0x7A, 0x7A, 0x7B));
}

TEST_P(Kernels, Nvfp4Vector) {
  std::vector<float> row0, row1(16, 0.0f);
  for (int i = 0; i < 16; ++i) row0.push_back(static_cast<float>(i - 8) * 0.25f);
  for (int i = 0; i < 16; ++i) row0.push_back(0.01f * static_cast<float>(i));
  for (int i = 0; i < 16; ++i) row1.push_back(i % 2 == 0 ? 1.0f : -1.5f);
  row0.insert(row0.end(), row1.begin(), row1.end());
  const float g = 1344;
  std::vector<float> scales;
  for (uint8_t byte : {0x7E, 0x60, 0x20, 0x7A}) scales.push_back(to_float(Float8E4M3{byte}) / g);
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    const auto codes = quantize({dtype, 2, 32, row0}, 16, kFp4, scales);
    std::vector<uint8_t> bytes(32);
    k.pack_nibbles(codes.data(), 64, bytes.data());
    EXPECT_THAT(bytes, ElementsAre(0xFF, 0xEE, 0xCD, 0xAB, 0x20, 0x43, 0x65, 0x76, 0x10, 0x32, 0x43, 0x55,
                                   0x65, 0x66, 0x77, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0xF6, 0xF6, 0xF6, 0xF6,
                                   0xF6, 0xF6, 0xF6, 0xF6));
  }
}

// --- packing

TEST_P(Kernels, PackingVectors) {
  std::vector<int8_t> all;
  for (int q = -8; q < 8; ++q) all.push_back(static_cast<int8_t>(q));
  EXPECT_THAT(pack(all, 4), ElementsAre(0x76543210u, 0xFEDCBA98u));
  EXPECT_THAT(pack({1, 2, 3}, 4), ElementsAre(0x00000BA9u));
  EXPECT_THAT(pack({1, 2}, 8), ElementsAre(0x00008281u));
  EXPECT_THAT(pack({-128, -1, 0, 127}, 8), ElementsAre(0xFF807F00u));
  EXPECT_THAT(pack({-4, -3, -2, -1, 0, 1, 2, 3, -4, -3, -2, -1}, 3), ElementsAre(0x88FAC688u, 0x00000006u));
  EXPECT_THAT(pack({-16, 15, 0, 1, -1, 7, -8}, 5), ElementsAre(0x2EF8C3E0u, 0x00000002u));
}

TEST_P(Kernels, PacksEveryWidthAndLength) {
  std::mt19937 rng(11);
  for (int bits = 1; bits <= 8; ++bits) {
    for (size_t count = 0; count < 300; count += count < 140 ? 1 : 37) {
      std::vector<int8_t> codes(count);
      for (int8_t& q : codes)
        q = static_cast<int8_t>(static_cast<int>(rng() % (1u << bits)) - (1 << (bits - 1)));
      std::vector<uint32_t> expected((count * static_cast<size_t>(bits) + 31) / 32);
      for (size_t i = 0; i < count; ++i) {  // one bit at a time
        const auto u = static_cast<uint32_t>(codes[i] + (1 << (bits - 1)));
        for (int b = 0; b < bits; ++b) {
          const size_t position = i * static_cast<size_t>(bits) + static_cast<size_t>(b);
          expected[position / 32] |= (u >> b & 1) << (position % 32);
        }
      }
      ASSERT_EQ(pack(codes, bits), expected) << bits << " bits, " << count << " codes";
      std::vector<int8_t> back(count);
      k.unpack_row(expected.data(), count, bits, back.data());
      ASSERT_EQ(back, codes) << bits << " bits, " << count << " codes";
    }
  }
}

TEST_P(Kernels, PacksNibbles) {
  std::mt19937 rng(12);
  for (size_t count = 0; count < 300; count += 2) {
    std::vector<int8_t> codes(count), back(count);
    for (int8_t& q : codes) q = static_cast<int8_t>(rng() % 16);
    std::vector<uint8_t> bytes(count / 2), expected(count / 2);
    for (size_t i = 0; i < count; i += 2)
      expected[i / 2] = static_cast<uint8_t>(codes[i] + 16 * codes[i + 1]);
    k.pack_nibbles(codes.data(), count, bytes.data());
    ASSERT_EQ(bytes, expected);
    k.unpack_nibbles(bytes.data(), count, back.data());
    ASSERT_EQ(back, codes);
  }
}

// --- errors

TEST_P(Kernels, MeasuresWhatIsLost) {
  // Codes 1, 2 (a tie), 7 (clamped from 10) and 0: residues 0.25, 0.5, 3, 0.
  const Weight w(DType::kF32, 1, 4, {1.25f, 2.5f, 10.0f, 0.0f});
  const float scale = 1;
  int8_t codes[4];
  double error = 100, norm = 200;
  k.quantize_and_measure(w.view, 4, {CodeKind::kInt, 4}, &scale, nullptr, codes, &error, &norm);
  EXPECT_THAT(codes, ElementsAre(1, 2, 7, 0));
  EXPECT_EQ(error, 100 + 0.0625 + 0.25 + 9);
  EXPECT_EQ(norm, 200 + 1.5625 + 6.25 + 100);
}

// f32 lanes of at most 32 terms, each term rounded twice (lane_sum.h).
constexpr double kSumTolerance = 34 * 0x1p-24;

TEST_P(Kernels, SquaredErrorAddsRowAfterRow) {
  for (DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    const size_t rows = 5, cols = 77;
    const Weight w(dtype, rows, cols, normal_values(rows * cols, 21));
    const std::vector<float> values = normal_values(rows * cols, 22);
    double error = 0, norm = 0, naive_error = 0, naive_norm = 0;
    k.squared_error(w.view, values.data(), &error, &norm);
    for (size_t i = 0; i < rows * cols; ++i) {
      naive_error += std::pow(double{w.at(i)} - values[i], 2);
      naive_norm += std::pow(double{w.at(i)}, 2);
    }
    EXPECT_NEAR(error / naive_error, 1, kSumTolerance);
    EXPECT_NEAR(norm / naive_norm, 1, kSumTolerance);
    double blocks_error = 0, blocks_norm = 0;
    k.squared_error(w.view.sub_rows(0, 2), values.data(), &blocks_error, &blocks_norm);
    k.squared_error(w.view.sub_rows(2, 3), values.data() + 2 * cols, &blocks_error, &blocks_norm);
    EXPECT_EQ(blocks_error, error);
    EXPECT_EQ(blocks_norm, norm);
  }
}

// Squares that f32 does not hold are summed in double.
TEST_P(Kernels, SquaredErrorOfExtremes) {
  for (float unit : {1e-30f, 1e-19f, 1e30f}) {
    std::vector<float> values = normal_values(40, 23);
    for (float& x : values) x *= unit;
    const Weight w(DType::kF32, 1, 40, values);
    for (float& x : values) x *= 0.75f;
    double error = 0, norm = 0;
    k.squared_error(w.view, values.data(), &error, &norm);
    EXPECT_NEAR(error / norm, 0.0625, 1e-6) << unit;
  }
  const Weight zeros(DType::kBF16, 2, 600, std::vector<float>(1200, 0.0f));
  const std::vector<float> ones(1200, 1.0f);
  double error = 0, norm = 0;
  k.squared_error(zeros.view, ones.data(), &error, &norm);
  EXPECT_EQ(error, 1200);
  EXPECT_EQ(norm, 0);
}

// Σ importance · |Q(x) - x|^norm in double.
double naive_error(const Weight& w, size_t begin, size_t count, const ScaleAndZeroPoint& q,
                   const CodeSpec& spec, double norm, const float* importance) {
  double sum = 0;
  for (size_t i = begin; i < begin + count; ++i) {
    const double x = w.at(i);
    const auto y = static_cast<float>(x / q.scale) + static_cast<float>(q.zero_point);
    double value = 0;
    if (spec.kind == CodeKind::kInt) {
      value =
          nearest_int(y, static_cast<int>(code_min(spec)), static_cast<int>(code_max(spec))) - q.zero_point;
    } else if (spec.kind == CodeKind::kFloat8) {
      value = to_float(float8_e4m3_from(y));
    } else {
      value = float4_e2m1_to_float(float4_e2m1_from(y));
    }
    sum += std::pow(std::fabs(value * q.scale - x), norm) *
           (importance != nullptr ? importance[i % w.view.cols] : 1.0f);
  }
  return sum;
}

struct MseCase {
  CodeSpec spec;
  bool symmetric;
  ScaleStorage storage;
  double norm;
  float nvfp4_global_scale = 0;
};
const MseCase kMseCases[] = {
    {{CodeKind::kInt, 4}, true, ScaleStorage::kBFloat16, 2.4},
    {{CodeKind::kInt, 4}, false, ScaleStorage::kBFloat16, 2.4},
    {{CodeKind::kInt, 8}, true, ScaleStorage::kFloat32, 2.0},
    {{CodeKind::kInt, 3}, false, ScaleStorage::kFloat16, 3.0},
    {kFp8, true, ScaleStorage::kBFloat16, 2.4},
    {kFp4, true, ScaleStorage::kFloat32, 2.4},
    {kFp4, true, ScaleStorage::kE8M0, 2.4},
    {kFp4, true, ScaleStorage::kBFloat16, 2.4, 700},
};

ScaleAndZeroPoint candidate_scale(const MinMax& range, float fraction, const MseCase& c) {
  const MinMax candidate = {round_to_storage(range.min * fraction, c.storage),
                            round_to_storage(range.max * fraction, c.storage)};
  if (c.nvfp4_global_scale > 0) {
    return {to_float(nvfp4_scale(candidate, c.storage, c.nvfp4_global_scale)) / c.nvfp4_global_scale, 0};
  }
  return range_to_scale(candidate, c.spec, c.symmetric, c.storage);
}

TEST_P(Kernels, MseChoosesTheLeastError) {
  std::mt19937 rng(31);
  for (const MseCase& c : kMseCases) {
    for (size_t group_size : {16, 32, 100, 128, 1100}) {
      const size_t groups = 2, rows = 2, cols = groups * group_size;
      const Weight w(DType::kBF16, rows, cols, normal_values(rows * cols, rng()));
      std::vector<float> importance(cols);
      for (float& x : importance) x = static_cast<float>(rng() % 100) / 50;
      const MseGrid grid{.maxshrink = 0.5,
                         .grid = 40,
                         .norm = c.norm,
                         .patience = 0,
                         .nvfp4_global_scale = c.nvfp4_global_scale};
      for (const float* weights :
           {static_cast<const float*>(nullptr), static_cast<const float*>(importance.data())}) {
        std::vector<MinMax> full(rows * groups), out(rows * groups);
        k.minmax_groups(w.view, group_size, full.data());
        k.mse_groups(w.view, group_size, c.spec, c.symmetric, c.storage, grid, weights, out.data());
        for (size_t g = 0; g < out.size(); ++g) {
          double least = INFINITY, chosen = INFINITY;
          for (int i = 0; i < grid.num_steps(); ++i) {
            const auto q = candidate_scale(full[g], grid.fraction(i), c);
            const double error = naive_error(w, g * group_size, group_size, q, c.spec, c.norm, weights);
            least = std::fmin(least, error);
            if (round_to_storage(full[g].max * grid.fraction(i), c.storage) == out[g].max &&
                round_to_storage(full[g].min * grid.fraction(i), c.storage) == out[g].min) {
              chosen = std::fmin(chosen, error);
            }
          }
          // Powers are good to 1e-6, f32 lanes of at most 32 terms to 32·2^-24.
          EXPECT_LE(chosen, least * (1 + 4e-6)) << group_size << " group " << g;
        }
      }
    }
  }
}

TEST_P(Kernels, MseStopsAfterPatience) {
  const Weight w(DType::kBF16, 1, 128, normal_values(128, 77));
  const CodeSpec int4{CodeKind::kInt, 4};
  MinMax range, all, patient;
  k.minmax_groups(w.view, 128, &range);
  MseGrid grid{.maxshrink = 0.6, .grid = 100, .norm = 2.4, .patience = 0};
  k.mse_groups(w.view, 128, int4, true, ScaleStorage::kBFloat16, grid, nullptr, &all);
  for (int patience : {1, 2, 5, 60}) {
    grid.patience = patience;
    k.mse_groups(w.view, 128, int4, true, ScaleStorage::kBFloat16, grid, nullptr, &patient);
    // The naive search with the same patience.
    const MseCase c{int4, true, ScaleStorage::kBFloat16, 2.4};
    double best = INFINITY;
    float best_max = 0;
    for (int i = 0, stale = 0; i < grid.num_steps() && stale < patience; ++i) {
      const double error =
          naive_error(w, 0, 128, candidate_scale(range, grid.fraction(i), c), int4, 2.4, nullptr);
      if (error < best * (1 - 1e-9)) {
        best = error;
        best_max = round_to_storage(range.max * grid.fraction(i), c.storage);
        stale = 0;
      } else {
        ++stale;
      }
    }
    EXPECT_EQ(patient.max, best_max) << patience;
    if (patience == 60) {
      EXPECT_EQ(patient.max, all.max);
    }
  }
}

TEST_P(Kernels, MseOfZerosAndOfNotFinite) {
  std::vector<float> values(96, 0.0f);
  values[40] = NAN;
  for (size_t i = 64; i < 96; ++i) values[i] = 1;
  const Weight w(DType::kF32, 1, 96, values);
  MinMax out[3];
  k.mse_groups(w.view, 32, {CodeKind::kInt, 4}, true, ScaleStorage::kFloat32, {}, nullptr, out);
  EXPECT_EQ(out[0].max, 0);
  EXPECT_EQ(out[1].max, INFINITY);
  EXPECT_TRUE(out[2].max > 0.79f && out[2].max <= 1);
}

TEST_P(Kernels, MseGridErrorsAddUpOverBlocks) {
  for (const MseCase& c : kMseCases) {
    const size_t rows = 3, cols = 700;
    const Weight w(DType::kF32, rows, cols, normal_values(rows * cols, 41));
    MinMax range;
    k.minmax_groups({w.view.data, DType::kF32, 1, rows * cols}, rows * cols, &range);
    const MseGrid grid{.maxshrink = 0.5,
                       .grid = 10,
                       .norm = c.norm,
                       .patience = 5,
                       .nvfp4_global_scale = c.nvfp4_global_scale};
    std::vector<double> errors(5, 0.0), blocks(5, 0.0);
    k.mse_grid_errors(w.view, range, c.spec, c.symmetric, c.storage, grid, errors.data());
    for (int i = 0; i < 5; ++i) {
      const auto q = candidate_scale(range, grid.fraction(i), c);
      const double naive = naive_error(w, 0, rows * cols, q, c.spec, c.norm, nullptr);
      EXPECT_NEAR(errors[static_cast<size_t>(i)] / naive, 1, 4e-6);
    }
    k.mse_grid_errors(w.view.sub_rows(0, 1), range, c.spec, c.symmetric, c.storage, grid, blocks.data());
    k.mse_grid_errors(w.view.sub_rows(1, 2), range, c.spec, c.symmetric, c.storage, grid, blocks.data());
    EXPECT_EQ(blocks, errors);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Kernels, ::testing::ValuesIn(supported_quantize_kernels()),
                         [](const auto& p) { return std::string(p.param->name); });

}  // namespace
}  // namespace tersor
