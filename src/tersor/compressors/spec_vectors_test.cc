// Hand-derived vectors (docs/formats.md, "Test vectors") through whole compressions.
#include <bit>

#include <gtest/gtest.h>

#include "tersor/compressors/compressor.h"
#include "tersor/compressors/weight_format.h"
#include "tersor/compressors/whole_weight_testing.h"

namespace tersor {
namespace {

using testing::compress_all;
using testing::CompressedWeight;
using testing::Weight;
using testing::weight_of;

QuantizationScheme scheme_of(const char* preset, std::optional<int64_t> group_size = std::nullopt) {
  QuantizationScheme scheme = *preset_scheme(preset);
  if (group_size) scheme.weights->group_size = group_size;
  return scheme;
}

QuantizationScheme channel(int bits, std::optional<Format> format = std::nullopt) {
  QuantizationScheme scheme = *preset_scheme("W8A8");
  scheme.weights->num_bits = bits;
  scheme.format = format;
  return scheme;
}

std::vector<uint8_t> bytes(std::initializer_list<int> values) { return {values.begin(), values.end()}; }

std::vector<uint32_t> packed(int bits, const std::vector<int8_t>& codes) {
  QuantizationArgs args;
  args.num_bits = bits;
  const WeightFormat& format = weight_format(Format::kPack);
  std::vector<uint32_t> words(format.codes_columns(args, codes.size()));
  format.encode(args, reference_quantize_kernels(), codes.data(), 1, codes.size(),
                reinterpret_cast<std::byte*>(words.data()));
  return words;
}

TEST(SpecVectors, IntegerPacking) {
  EXPECT_EQ(packed(4, {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7}),
            (std::vector<uint32_t>{0x76543210, 0xFEDCBA98}));
  EXPECT_EQ(packed(4, {1, 2, 3}), (std::vector<uint32_t>{0x00000BA9}));
  EXPECT_EQ(packed(8, {1, 2}), (std::vector<uint32_t>{0x00008281}));
  EXPECT_EQ(packed(8, {-128, -1, 0, 127}), (std::vector<uint32_t>{0xFF807F00}));
  EXPECT_EQ(packed(3, {-4, -3, -2, -1, 0, 1, 2, 3, -4, -3, -2, -1}),
            (std::vector<uint32_t>{0x88FAC688, 0x00000006}));
  EXPECT_EQ(packed(5, {-16, 15, 0, 1, -1, 7, -8}), (std::vector<uint32_t>{0x2EF8C3E0, 0x00000002}));
  std::vector<int8_t> twos, threes;
  for (int i = 0; i < 20; ++i) twos.push_back(static_cast<int8_t>(i % 4 - 2));
  for (int i = 0; i < 32; ++i) threes.push_back(static_cast<int8_t>(i % 8 - 4));
  EXPECT_EQ(packed(2, twos), (std::vector<uint32_t>{0xE4E4E4E4, 0x000000E4}));
  EXPECT_EQ(packed(3, threes), (std::vector<uint32_t>{0x88FAC688, 0xC688FAC6, 0xFAC688FA}));
}

TEST(SpecVectors, ZeroPointPacking) {
  // A group {-k, 15 - k} has scale 1 and zero point k - 8.
  std::vector<float> values;
  for (int row = 0; row < 10; ++row) {
    for (int k : {row, 15 - row}) {
      values.push_back(static_cast<float>(-k));
      values.push_back(static_cast<float>(15 - k));
    }
  }
  const auto out = compress_all(scheme_of("W4A16_ASYM", 2), weight_of(DType::kBF16, 10, 4, values));
  EXPECT_EQ(out.as<uint32_t>("weight_zero_point"),
            (std::vector<uint32_t>{0x76543210, 0x89ABCDEF, 0x00000098, 0x00000067}));
}

TEST(SpecVectors, Int4ExactScale) {
  const std::vector<float> x = {0.9375, -0.9375, 0.0625, 0.1875, -0.0625, -0.1875, 0.3125, 0.4375};
  for (DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    const auto out = compress_all(scheme_of("W4A16", 8), weight_of(dtype, 1, 8, x));
    EXPECT_EQ(out.as<uint32_t>("weight_packed"), (std::vector<uint32_t>{0xCA68A80F}));
    EXPECT_EQ(out.as<uint64_t>("weight_shape"), (std::vector<uint64_t>{1, 8}));
  }
}

TEST(SpecVectors, Int8ExactScale) {
  const float amax = 0.99609375f;
  const auto out =
      compress_all(channel(8), weight_of(DType::kF32, 1, 4, {amax, -amax, 0.00390625f, 0.01171875f}));
  EXPECT_EQ(out.as<int8_t>("weight"), (std::vector<int8_t>{127, -128, 0, 2}));
  EXPECT_EQ(out.as<float>("weight_scale"), std::vector<float>{0x1p-7f});
}

// Codes divide in f32 by the scale as stored: -0.7890625 / 0.00787353515625 = -100.2. (With bf16 weights the
// reference rounds quotients to bf16, so of the vectors only those hold here where that changes nothing.)
TEST(SpecVectors, ChannelRow) {
  const std::vector<float> row = {1, -1, 0.5, 0.3f, -0.7890625, 0};
  const auto f32 = compress_all(channel(8), weight_of(DType::kF32, 1, 6, row));
  EXPECT_EQ(f32.as<uint8_t>("weight_scale"), bytes({0x81, 0x80, 0x00, 0x3C}));
  EXPECT_EQ(f32.as<int8_t>("weight"), (std::vector<int8_t>{127, -127, 64, 38, -101, 0}));
  const auto bf16 = compress_all(channel(8), weight_of(DType::kBF16, 1, 6, row));
  EXPECT_EQ(bf16.as<uint16_t>("weight_scale"), (std::vector<uint16_t>{0x3C01}));
  EXPECT_EQ(bf16.as<int8_t>("weight"), (std::vector<int8_t>{127, -127, 64, 38, -100, 0}));
  const auto int4 = compress_all(channel(4, Format::kInt), weight_of(DType::kF32, 1, 6, row));
  EXPECT_EQ(int4.as<uint8_t>("weight_scale"), bytes({0x89, 0x88, 0x08, 0x3E}));
  EXPECT_EQ(int4.as<int8_t>("weight"), (std::vector<int8_t>{7, -7, 4, 2, -6, 0}));
}

TEST(SpecVectors, AsymmetricInt4) {
  const std::vector<float> x = {-0.5, 0, 0.25, 1.0, 0.6f, -0.1f, 0.9f, 0.33f};
  const auto eight = compress_all(scheme_of("W4A16_ASYM", 8), weight_of(DType::kF32, 1, 8, x));
  EXPECT_EQ(eight.as<uint32_t>("weight_packed"), (std::vector<uint32_t>{0x8E4BF850}));
  EXPECT_EQ(eight.as<uint32_t>("weight_zero_point"), (std::vector<uint32_t>{0x5}));  // -3 + 8
  QuantizationScheme scheme = scheme_of("W4A16_ASYM", 4);
  scheme.format = Format::kNaive;
  const auto out = compress_all(scheme, weight_of(DType::kF32, 1, 4, {0.5, 0.75, 1.5, 0.1f}));
  EXPECT_EQ(out.as<int8_t>("weight_zero_point"), std::vector<int8_t>{-8});
  EXPECT_EQ(out.as<int8_t>("weight"), (std::vector<int8_t>{-3, 0, 7, -7}));
}

TEST(SpecVectors, TwoGroups) {
  std::vector<float> row;
  for (int i = 0; i < 16; ++i) row.push_back((static_cast<float>(i) - 7.5f) / 10);
  const auto out = compress_all(scheme_of("W4A16", 8), weight_of(DType::kF32, 1, 16, row));
  EXPECT_EQ(out.as<uint8_t>("weight_scale"), bytes({0xCD, 0xCC, 0xCC, 0x3D, 0xCD, 0xCC, 0xCC, 0x3D}));
  EXPECT_EQ(out.as<uint32_t>("weight_packed"), (std::vector<uint32_t>{0x86644220, 0xFEECCAA8}));
}

TEST(SpecVectors, Fp8Channel) {
  const QuantizationScheme scheme = scheme_of("FP8_DYNAMIC");
  const auto exact =
      compress_all(scheme, weight_of(DType::kF32, 1, 6, {0.875, -0.875, 0, -1e-9f, 0.033203125, 0.03125}));
  EXPECT_EQ(exact.as<float>("weight_scale"), std::vector<float>{0x1p-9f});
  EXPECT_EQ(exact.as<uint8_t>("weight"), bytes({0x7E, 0xFE, 0x00, 0x80, 0x58, 0x58}));
  const auto f32 = compress_all(scheme, weight_of(DType::kF32, 1, 6, {1, -0.5, 0.3f, 0.001f, -0.0001f, 0}));
  EXPECT_EQ(f32.as<uint8_t>("weight_scale"), bytes({0x25, 0x49, 0x12, 0x3B}));
  EXPECT_EQ(f32.as<uint8_t>("weight"), bytes({0x7E, 0xF6, 0x70, 0x2E, 0x93, 0x00}));
}

TEST(SpecVectors, Fp8RaggedBlocks) {
  QuantizationScheme scheme = scheme_of("FP8_BLOCK");
  scheme.weights->block_structure = {2, 4};
  const std::vector<float> x = {1.0, 2.0, -4.0, 0.5, 7.0, 0.25, -0.125, 3.0, 1.0, -14.0, 448, 1, 0, -224, 0};
  const auto out = compress_all(scheme, weight_of(DType::kF32, 3, 5, x));
  EXPECT_EQ(out.as<float>("weight_scale"),
            (std::vector<float>{0.00892857183f, 0.03125f, 1.0f, 1.1920929e-07f}));
  EXPECT_EQ(out.as<uint8_t>("weight"), bytes({0x6E, 0x76, 0xFE, 0x66, 0x76, 0x5E, 0xD6, 0x7A, 0x6E, 0xFE,
                                              0x7E, 0x38, 0x00, 0xF6, 0x00}));
  EXPECT_EQ(out.statistics.zero_groups, 1u);
}

TEST(SpecVectors, Nvfp4) {
  std::vector<float> x;
  for (int i = 0; i < 16; ++i) x.push_back(static_cast<float>(i - 8) * 0.25f);
  for (int i = 0; i < 16; ++i) x.push_back(0.01f * static_cast<float>(i));
  for (int i = 0; i < 16; ++i) x.push_back(0);
  for (int i = 0; i < 16; ++i) x.push_back(i % 2 == 0 ? 1.0f : -1.5f);
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    const auto out = compress_all(scheme_of("NVFP4A16"), weight_of(dtype, 2, 32, x));
    EXPECT_EQ(out.as<float>("weight_global_scale"), std::vector<float>{1344});
    EXPECT_EQ(out.as<uint8_t>("weight_scale"), bytes({0x7E, 0x60, 0x20, 0x7A}));
    EXPECT_EQ(out.as<uint8_t>("weight_packed"),
              bytes({0xFF, 0xEE, 0xCD, 0xAB, 0x20, 0x43, 0x65, 0x76, 0x10, 0x32, 0x43,
                     0x55, 0x65, 0x66, 0x77, 0x77, 0,    0,    0,    0,    0,    0,
                     0,    0,    0xF6, 0xF6, 0xF6, 0xF6, 0xF6, 0xF6, 0xF6, 0xF6}));
  }
}

TEST(SpecVectors, Mx) {
  std::vector<float> x;
  for (int i = 0; i < 32; ++i) x.push_back(static_cast<float>(i - 16) * 0.375f);
  const auto fp4 = compress_all(scheme_of("MXFP4A16"), weight_of(DType::kBF16, 1, 32, x));
  EXPECT_EQ(fp4.as<uint8_t>("weight_scale"), bytes({127}));
  EXPECT_EQ(fp4.as<uint8_t>("weight_packed"), bytes({0xFF, 0xEF, 0xEE, 0xDE, 0xDD, 0xCC, 0xAB, 0x9A, 0x10,
                                                     0x22, 0x43, 0x54, 0x55, 0x66, 0x66, 0x77}));
  const auto fp8 = compress_all(scheme_of("MXFP8A16"), weight_of(DType::kBF16, 1, 32, x));
  EXPECT_EQ(fp8.as<uint8_t>("weight_scale"), bytes({121}));
  EXPECT_EQ(fp8.as<uint8_t>("weight"),
            bytes({0xFC, 0xFB, 0xFA, 0xFA, 0xF9, 0xF8, 0xF7, 0xF6, 0xF4, 0xF2, 0xF1,
                   0xEF, 0xEC, 0xE9, 0xE4, 0xDC, 0x00, 0x5C, 0x64, 0x69, 0x6C, 0x6F,
                   0x71, 0x72, 0x74, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x7A, 0x7B}));
}

}  // namespace
}  // namespace tersor
