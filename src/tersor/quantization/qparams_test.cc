#include "tersor/quantization/qparams.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "tersor/base/float_types.h"
#include "tersor/quantization/quantization_scheme.h"

namespace tersor {
namespace {

constexpr DType kWeightDtypes[] = {DType::kBF16, DType::kF16, DType::kF32};

QuantizationArgs weights(const char* preset) { return *preset_scheme(preset)->weights; }

QParams qparams(const QuantizationArgs& args, DType dtype, std::vector<MinMax> ranges,
                float global_scale = 0) {
  QParams out;
  compute_qparams(args, dtype, ranges, global_scale, out);
  return out;
}

template <typename T>
T element(const QParams& q, size_t index) {
  T value;
  EXPECT_LE((index + 1) * sizeof(T), q.stored.size());
  std::memcpy(&value, q.stored.data() + index * sizeof(T), sizeof(T));
  return value;
}

TEST(QParams, SymmetricScalesInTheWeightsType) {
  const MinMax range{-1, 1};
  EXPECT_EQ(element<uint32_t>(qparams(weights("W8A8"), DType::kF32, {range}), 0), 0x3C008081u);
  EXPECT_EQ(element<uint16_t>(qparams(weights("W8A8"), DType::kBF16, {range}), 0), 0x3C01);
  EXPECT_EQ(element<uint32_t>(qparams(weights("W4A16"), DType::kF32, {range}), 0), 0x3E088889u);
  EXPECT_EQ(element<uint16_t>(qparams(weights("W4A16"), DType::kBF16, {range}), 0), 0x3E09);
  EXPECT_EQ(qparams(weights("FP8"), DType::kF32, {{-448, 3}}).scales[0], 1);
}

TEST(QParams, AsymmetricScalesAndZeroPoints) {
  const QuantizationArgs args = weights("W4A16_ASYM");
  const QParams q = qparams(args, DType::kF32, {{-0.5f, 1.0f}, {0, 1.5f}});
  EXPECT_EQ(q.scales[0], 0.1f);
  EXPECT_EQ(q.zero_points, (std::vector<int8_t>{-3, -8}));
  EXPECT_EQ(element<uint16_t>(qparams(args, DType::kBF16, {{-0.5f, 1.0f}}), 0), 0x3DCD);
}

TEST(QParams, GroupsOfZerosGetEps) {
  EXPECT_EQ(qparams(weights("W8A8"), DType::kF32, {{0, 0}}).scales[0], 0x1p-23f);
  EXPECT_EQ(qparams(weights("W8A8"), DType::kBF16, {{0, 0}}).scales[0], 0x1p-7f);
  EXPECT_EQ(qparams(weights("W8A8"), DType::kF16, {{0, 0}}).scales[0], 0x1p-10f);
  const QParams asymmetric = qparams(weights("W4A16_ASYM"), DType::kBF16, {{0, 0}});
  EXPECT_EQ(asymmetric.scales[0], 0x1p-7f);
  EXPECT_EQ(asymmetric.zero_points[0], 0);
}

// A negated zero minimum is -0.0: its sign must reach no scale.
TEST(QParams, SignOfZeroIsDropped) {
  for (const float zero : {0.0f, -0.0f}) {
    EXPECT_EQ(element<uint8_t>(qparams(weights("MXFP4"), DType::kBF16, {{zero, zero}}), 0), 0);
    const QParams q = qparams(weights("NVFP4"), DType::kBF16, {{zero, zero}}, 1344);
    EXPECT_EQ(element<uint8_t>(q, 0), 0x20);
    EXPECT_EQ(q.scales[0], 0.125f / 1344);
  }
}

TEST(QParams, MxExponents) {
  struct Case {
    float amax;
    int fp4;
    int fp8;
  };
  const Case kCases[] = {{1.0f, 125, 119}, {1.74f, 125, 119}, {1.75f, 126, 120},  {6.0f, 127, 121},
                         {6.9f, 127, 121}, {7.0f, 128, 122},  {448.0f, 134, 128}, {0.0123f, 118, 112},
                         {0, 0, 0},        {0x1p-126f, 0, 0}, {0x1p-120f, 5, 0}};
  for (const Case& c : kCases) {
    for (const MinMax& range : {MinMax{0, c.amax}, MinMax{-c.amax, c.amax / 2}}) {
      const QParams fp4 = qparams(weights("MXFP4"), DType::kF32, {range});
      EXPECT_EQ(element<uint8_t>(fp4, 0), c.fp4) << c.amax;
      EXPECT_EQ(fp4.scales[0], std::ldexp(1.0f, c.fp4 - 127));
      EXPECT_EQ(element<uint8_t>(qparams(weights("MXFP8"), DType::kF32, {range}), 0), c.fp8) << c.amax;
    }
  }
}

TEST(QParams, Nvfp4GlobalScaleRoundsTwice) {
  EXPECT_EQ(nvfp4_global_scale(2.0f, DType::kF32), 1344);
  EXPECT_EQ(nvfp4_global_scale(0.8984375f, DType::kBF16), 2976);
  EXPECT_EQ(nvfp4_global_scale(1.296875f, DType::kBF16), 2064);
  EXPECT_EQ(nvfp4_global_scale(0.55078125f, DType::kBF16), 4864);
  EXPECT_EQ(nvfp4_global_scale(0.69921875f, DType::kBF16), 3840);
  EXPECT_EQ(std::bit_cast<uint32_t>(nvfp4_global_scale(0.0123f, DType::kF32)), 0x48556A27u);
}

TEST(QParams, Nvfp4GlobalScaleIsOneWhereThereIsNone) {
  for (DType dtype : kWeightDtypes) {
    EXPECT_EQ(nvfp4_global_scale(0, dtype), 1);
    EXPECT_EQ(nvfp4_global_scale(0x1p-140f, dtype), 1);
    EXPECT_EQ(nvfp4_global_scale(std::nanf(""), dtype), 1);
  }
  // In f16 the quotient would overflow below 0.041, and be 1.
  EXPECT_EQ(nvfp4_global_scale(0.01f, DType::kF16), 2688.0f * (1.0f / 0.01f));
}

TEST(QParams, Nvfp4ScalesAreFp8OfTheGlobalOne) {
  const QParams q = qparams(weights("NVFP4"), DType::kF32, {{-2, 1.75f}, {0, 0.15f}, {-1.5f, 1}}, 1344);
  EXPECT_EQ(element<uint8_t>(q, 0), 0x7E);
  EXPECT_EQ(element<uint8_t>(q, 1), 0x60);
  EXPECT_EQ(element<uint8_t>(q, 2), 0x7A);
  EXPECT_EQ(q.scales[1], 32.0f / 1344);
  // Above 448 (a group that outgrew the observed range) it saturates.
  EXPECT_EQ(element<uint8_t>(qparams(weights("NVFP4"), DType::kF32, {{0, 100}}, 1344), 0), 0x7E);
}

TEST(QParams, ExplicitScaleDtypeRoundsAndIsStored) {
  QuantizationArgs args = weights("W8A8");
  args.scale_dtype = DType::kF32;
  EXPECT_EQ(element<float>(qparams(args, DType::kBF16, {{-1, 1}}), 0), 0.00787353515625f)
      << "bf16 arithmetic";
  args.scale_dtype = DType::kBF16;
  const QParams q = qparams(args, DType::kF32, {{-1, 1}, {0, 0}});
  EXPECT_EQ(element<uint16_t>(q, 0), 0x3C01);
  EXPECT_EQ(q.scales[0], 0.00787353515625f);
  EXPECT_EQ(q.scales[1], 0x1p-7f);
}

TEST(QParams, StoredScalesReadBackAsTheEffectiveOnes) {
  std::mt19937 random(1);
  std::lognormal_distribution<float> magnitude(-4, 3);
  std::vector<MinMax> ranges(500);
  for (MinMax& range : ranges) range = {-magnitude(random), magnitude(random)};
  ranges[7] = {0, 0};
  for (const std::string& name : preset_scheme_names()) {
    const auto args = preset_scheme(name)->weights;
    if (!args) continue;
    for (DType dtype : kWeightDtypes) {
      const float global_scale = nvfp4_global_scale(20, dtype);
      const QParams q = qparams(*args, dtype, ranges, global_scale);
      EXPECT_EQ(q.stored.size(), ranges.size() * dtype_size(stored_scale_dtype(*args, dtype)));
      EXPECT_EQ(q.zero_points.size(), args->symmetric ? 0 : ranges.size());
      std::vector<float> scales(ranges.size());
      read_scales(*args, dtype, q.stored, global_scale, scales);
      EXPECT_EQ(scales, q.scales) << name;
      for (float scale : scales) EXPECT_GT(scale, 0) << name;
    }
  }
}

}  // namespace
}  // namespace tersor
