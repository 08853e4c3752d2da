#include "tersor/compressors/compressor.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/compressors/whole_weight_testing.h"

namespace tersor {
namespace {

using testing::compress_all;
using testing::CompressedWeight;
using testing::decompress_all;
using ::testing::HasSubstr;
using testing::observe_all;
using testing::random_weight;
using testing::Weight;
using testing::weight_of;

struct NamedScheme {
  std::string name;
  QuantizationScheme scheme;
};

// Every preset (groups of 32, so that small weights have several; blocks of 16 × 48, so that they are
// ragged), and what no preset has: other bit widths, asymmetric and per-tensor integers, integer blocks,
// float scales of fp8 groups.
std::vector<NamedScheme> schemes() {
  std::vector<NamedScheme> out;
  auto add = [&](const std::string& name, const QuantizationScheme& base, auto change) {
    QuantizationScheme scheme = base;
    if (scheme.weights->group_size == 128) scheme.weights->group_size = 32;
    if (scheme.weights->block_structure) scheme.weights->block_structure = {16, 48};
    change(scheme);
    validate(scheme, name);
    out.push_back({name, scheme});
  };
  for (const std::string& name : preset_scheme_names()) {
    if (name != "UNQUANTIZED") add(name, *preset_scheme(name), [](auto&) {});
  }
  const QuantizationScheme asymmetric = *preset_scheme("W4A16_ASYM");
  for (int bits : {1, 2, 3, 5, 7, 8}) {
    add("W" + std::to_string(bits) + "_ASYM", asymmetric, [&](auto& s) { s.weights->num_bits = bits; });
  }
  auto with_strategy = [](Strategy strategy) {
    return [strategy](QuantizationScheme& s) {
      s.weights->strategy = strategy;
      s.weights->group_size = std::nullopt;
      if (strategy == Strategy::kBlock) s.weights->block_structure = {16, 48};
    };
  };
  add("W4_ASYM channel", asymmetric, with_strategy(Strategy::kChannel));
  add("W4_ASYM tensor", asymmetric, with_strategy(Strategy::kTensor));
  add("W4_ASYM block", asymmetric, with_strategy(Strategy::kBlock));
  add("W8 tensor", *preset_scheme("W8A16"), with_strategy(Strategy::kTensor));
  add("W4A8 naive asymmetric", asymmetric, [](auto& s) { s.format = Format::kNaive; });
  add("FP8 group", *preset_scheme("FP8"), [](auto& s) {
    s.weights->strategy = Strategy::kGroup;
    s.weights->group_size = 32;
  });
  add("W8A8 f32 scales", *preset_scheme("W8A8"), [](auto& s) { s.weights->scale_dtype = DType::kF32; });
  return out;
}

NamedScheme with_mse(NamedScheme named) {
  named.name += " mse";
  named.scheme.weights->observer = "memoryless_mse";
  return named;
}

// All values that the codes of a scheme stand for.
std::vector<double> code_values(const QuantizationArgs& args) {
  std::vector<double> values;
  if (args.type == QuantizationType::kInt) {
    for (int q = -(1 << (args.num_bits - 1)); q < 1 << (args.num_bits - 1); ++q) values.push_back(q);
  } else {
    for (int code = 0; code < (args.num_bits == 4 ? 16 : 256); ++code) {
      const auto byte = static_cast<uint8_t>(code);
      const double value = args.num_bits == 4 ? float4_e2m1_to_float(byte) : to_float(Float8E4M3{byte});
      if (!std::isnan(value)) values.push_back(value);
    }
  }
  return values;
}

// The scale and zero point of an element, decoded naively from the stored tensors.
struct ElementParams {
  double scale;
  int zero_point;
};
ElementParams element_params(const QuantizationScheme& scheme, const Weight& weight,
                             const CompressedWeight& w, size_t row, size_t col) {
  const QuantizationArgs& args = *scheme.weights;
  size_t index = 0, cols = 1, scale_row = row;
  if (args.strategy == Strategy::kChannel) index = row;
  if (args.group_size) {
    cols = weight.cols / static_cast<size_t>(*args.group_size);
    index = row * cols + col / static_cast<size_t>(*args.group_size);
  }
  if (args.block_structure) {
    const auto [height, width] = *args.block_structure;
    cols = (weight.cols + static_cast<size_t>(width) - 1) / static_cast<size_t>(width);
    scale_row = row / static_cast<size_t>(height);
    index = scale_row * cols + col / static_cast<size_t>(width);
  }
  ElementParams out{0, 0};
  switch (stored_scale_dtype(args, weight.dtype)) {
    case DType::kU8:
      out.scale = std::exp2(w.as<uint8_t>("weight_scale")[index] - 127);
      break;
    case DType::kF8E4M3:
      out.scale = to_float(w.as<Float8E4M3>("weight_scale")[index]) / w.as<float>("weight_global_scale")[0];
      break;
    case DType::kBF16:
      out.scale = to_float(w.as<BFloat16>("weight_scale")[index]);
      break;
    case DType::kF16:
      out.scale = to_float(w.as<Float16>("weight_scale")[index]);
      break;
    default:
      out.scale = w.as<float>("weight_scale")[index];
  }
  if (args.symmetric) return out;
  if (format_of(scheme) != Format::kPack || args.strategy == Strategy::kTensor) {
    out.zero_point = w.as<int8_t>("weight_zero_point")[index];
    return out;
  }
  // Bit by bit.
  const auto words = w.as<uint32_t>("weight_zero_point");
  for (int bit = 0; bit < args.num_bits; ++bit) {
    const size_t position = row * static_cast<size_t>(args.num_bits) + static_cast<size_t>(bit);
    const uint32_t word = words[position / 32 * cols + index % cols];
    out.zero_point |= static_cast<int>(word >> position % 32 & 1) << bit;
  }
  out.zero_point -= 1 << (args.num_bits - 1);
  return out;
}

// Decompression gives code · scale, and no other code of the scheme would be nearer to the weight. The
// division in f32 may err near a tie: by less than 2^-22 of the value.
TEST(Compressor, EveryCodeIsTheNearest) {
  for (const NamedScheme& s : schemes()) {
    const std::vector<double> values = code_values(*s.scheme.weights);
    for (DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
      const Weight weight = random_weight(dtype, 37, 96, 3);
      const CompressedWeight compressed = compress_all(s.scheme, weight);
      const std::vector<float> restored = decompress_all(s.scheme, weight, compressed);
      size_t failures = 0;
      for (size_t i = 0; i < restored.size() && failures < 3; i += 1 + i % 3) {
        const double x = weight.at(i);
        const ElementParams p =
            element_params(s.scheme, weight, compressed, i / weight.cols, i % weight.cols);
        double nearest = std::numeric_limits<double>::infinity();
        for (double value : values)
          nearest = std::min(nearest, std::fabs((value - p.zero_point) * p.scale - x));
        const double error = std::fabs(restored[i] - x);
        // Twice the rounding of the quotient and of the product.
        if (error <= nearest + (std::fabs(x) + p.scale) * 0x1p-21) continue;
        ++failures;
        ADD_FAILURE() << s.name << " " << dtype_name(dtype) << " element " << i << ": " << x << " became "
                      << restored[i] << ", but a code is as near as " << nearest;
      }
    }
  }
}

TEST(Compressor, StatisticsAreThoseOfTheRestoredWeight) {
  for (const NamedScheme& s : schemes()) {
    const Weight weight = random_weight(DType::kBF16, 37, 96, 4);
    const CompressedWeight compressed = compress_all(s.scheme, weight, 16);
    const std::vector<float> restored = decompress_all(s.scheme, weight, compressed);
    double error = 0, norm = 0;
    for (size_t i = 0; i < restored.size(); ++i) {
      const double x = weight.at(i);
      error += (x - restored[i]) * (x - restored[i]);
      norm += x * x;
    }
    EXPECT_NEAR(compressed.statistics.squared_error, error, 1e-12 * error) << s.name;
    EXPECT_NEAR(compressed.statistics.squared_norm, norm, 1e-12 * norm) << s.name;
    EXPECT_TRUE(compressed.statistics.finite);
  }
}

TEST(Compressor, BlocksDoNotShowInTheBytes) {
  std::vector<NamedScheme> all = schemes();
  for (size_t i = 0, n = all.size(); i < n; ++i) all.push_back(with_mse(all[i]));
  for (const NamedScheme& s : all) {
    const Weight weight = random_weight(DType::kBF16, 70, 96, 5);
    const CompressedWeight whole = compress_all(s.scheme, weight);
    for (size_t block : {1, 7, 32, 64}) {
      EXPECT_EQ(compress_all(s.scheme, weight, block).tensors, whole.tensors) << s.name << " " << block;
    }
  }
}

// What the CPU's kernels write is what the reference writes; their sums are of f32 lanes.
TEST(Compressor, KernelsDoNotShowInTheBytes) {
  for (const NamedScheme& s : schemes()) {
    const Weight weight = random_weight(DType::kBF16, 70, 192, 11);
    const CompressedWeight expected = compress_all(s.scheme, weight);
    const Observation observation = observe_all(s.scheme, {weight}, 32, cpu_quantize_kernels());
    const CompressedWeight out = compress_all(s.scheme, weight, observation, 32, cpu_quantize_kernels());
    EXPECT_EQ(out.tensors, expected.tensors) << s.name;
    const double error = expected.statistics.squared_error;
    EXPECT_NEAR(out.statistics.squared_error, error, error * (70 * 192 / 16.0) * 0x1p-24) << s.name;
  }
}

TEST(Compressor, AnyRowsDecompressAlike) {
  for (const NamedScheme& s : schemes()) {
    const Weight weight = random_weight(DType::kF32, 37, 96, 6);
    const CompressedWeight compressed = compress_all(s.scheme, weight);
    const std::vector<float> whole = decompress_all(s.scheme, weight, compressed);
    for (const auto& [row, count] :
         std::vector<std::pair<size_t, size_t>>{{0, 1}, {5, 20}, {36, 1}, {9, 0}}) {
      std::vector<float> rows(count * weight.cols);
      decompress_rows(s.scheme, compressed.spans(), weight.dtype, 37, 96, row, count,
                      reference_quantize_kernels(), rows.data());
      EXPECT_TRUE(
          std::equal(rows.begin(), rows.end(), whole.begin() + static_cast<ptrdiff_t>(row * weight.cols)))
          << s.name;
    }
  }
}

TEST(Compressor, SmallAndEmptyShapes) {
  for (const NamedScheme& s : schemes()) {
    const bool grouped = s.scheme.weights->group_size.has_value();
    for (const auto& [rows, cols] :
         std::vector<std::pair<size_t, size_t>>{{1, 1}, {1, 64}, {3, 64}, {65, 5}}) {
      if (grouped && cols != 64) continue;
      const Weight weight = random_weight(DType::kBF16, rows, cols, 7);
      const CompressedWeight compressed = compress_all(s.scheme, weight);
      EXPECT_TRUE(compressed.statistics.finite) << s.name;
      EXPECT_LE(compressed.statistics.squared_error, compressed.statistics.squared_norm) << s.name;
    }
  }
}

TEST(Compressor, ZerosStayZeros) {
  for (const NamedScheme& s : schemes()) {
    for (float zero : {0.0f, -0.0f}) {
      const Weight weight = weight_of(DType::kBF16, 33, 96, std::vector<float>(33 * 96, zero));
      const CompressedWeight compressed = compress_all(s.scheme, weight);
      EXPECT_EQ(decompress_all(s.scheme, weight, compressed), std::vector<float>(33 * 96, 0.0f)) << s.name;
      EXPECT_EQ(compressed.statistics.squared_error, 0) << s.name;
      EXPECT_GT(compressed.statistics.zero_groups, 0u) << s.name;
    }
  }
}

TEST(Compressor, NotFiniteSourceIsToldNotWritten) {
  for (const NamedScheme& s : schemes()) {
    for (float bad :
         {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      for (size_t place : {0, 41 * 64 - 1}) {
        std::vector<float> values(41 * 64, 0.5f);
        values[place] = bad;
        EXPECT_FALSE(compress_all(s.scheme, weight_of(DType::kF32, 41, 64, values), 16).statistics.finite)
            << s.name;
        EXPECT_FALSE(
            compress_all(with_mse(s).scheme, weight_of(DType::kBF16, 41, 64, values), 16).statistics.finite)
            << s.name;
      }
    }
  }
}

TEST(Compressor, RowAlignment) {
  EXPECT_EQ(row_alignment(*preset_scheme("W4A16")), 1u);
  EXPECT_EQ(row_alignment(*preset_scheme("W4A16_ASYM")), 32u);
  EXPECT_EQ(row_alignment(*preset_scheme("FP8_BLOCK")), 128u);
  EXPECT_EQ(row_alignment(*preset_scheme("FP8")), 1u);
}

TEST(Compressor, StoredTensors) {
  auto described = [](const QuantizationScheme& scheme) {
    std::string out;
    for (const StoredTensor& t : stored_tensors(scheme, DType::kBF16, 100, 384)) {
      out += t.suffix + " " + std::string(dtype_name(t.dtype)) + " " + to_string(t.shape) + "\n";
    }
    return out;
  };
  EXPECT_EQ(described(*preset_scheme("W4A16_ASYM")),
            "weight_packed I32 [100, 48]\nweight_scale BF16 [100, 3]\nweight_shape I64 [2]\n"
            "weight_zero_point I32 [13, 3]\n");
  EXPECT_EQ(described(*preset_scheme("W3A16")),
            "weight_packed I32 [100, 36]\nweight_scale BF16 [100, 3]\nweight_shape I64 [2]\n");
  EXPECT_EQ(described(*preset_scheme("W8A8")), "weight I8 [100, 384]\nweight_scale BF16 [100, 1]\n");
  EXPECT_EQ(described(*preset_scheme("FP8")), "weight F8_E4M3 [100, 384]\nweight_scale BF16 [1]\n");
  EXPECT_EQ(described(*preset_scheme("FP8_BLOCK")), "weight F8_E4M3 [100, 384]\nweight_scale BF16 [1, 3]\n");
  EXPECT_EQ(described(*preset_scheme("NVFP4")),
            "weight_packed U8 [100, 192]\nweight_scale F8_E4M3 [100, 24]\nweight_global_scale F32 [1]\n");
  EXPECT_EQ(described(*preset_scheme("MXFP4")), "weight_packed U8 [100, 192]\nweight_scale U8 [100, 12]\n");
  EXPECT_EQ(described(*preset_scheme("MXFP8")), "weight F8_E4M3 [100, 384]\nweight_scale U8 [100, 12]\n");
  QuantizationScheme scheme = *preset_scheme("W4A16_ASYM");
  scheme.weights->strategy = Strategy::kTensor;
  scheme.weights->group_size = std::nullopt;
  EXPECT_THAT(described(scheme), HasSubstr("weight_zero_point I8 [1]\n"));
}

TEST(Compressor, FusedSetSharesOneGlobalScale) {
  const QuantizationScheme scheme = *preset_scheme("NVFP4A16");
  ASSERT_TRUE(shares_range_across_fused_set(scheme));
  EXPECT_FALSE(shares_range_across_fused_set(*preset_scheme("FP8")));
  const Weight small = weight_of(DType::kBF16, 1, 16, std::vector<float>(16, 0.5f));
  const Weight large = weight_of(DType::kBF16, 2, 16, std::vector<float>(32, -2.0f));
  const Observation both = observe_all(scheme, {small, large}, 1);
  const auto out = compress_all(scheme, small, both, 1);
  EXPECT_EQ(out.as<float>("weight_global_scale"), std::vector<float>{1344});
  EXPECT_EQ(out.as<float>("weight_global_scale"),
            compress_all(scheme, large, both, 1).as<float>("weight_global_scale"));
}

double squared_error(const QuantizationScheme& scheme, const Weight& weight) {
  return compress_all(scheme, weight).statistics.squared_error;
}

// With norm 2 the search minimises what the statistics measure. It starts at the plain range, so it cannot
// lose; NVFP4's search does not see the fp8 rounding of its scales, and is left out.
TEST(Compressor, MseObserverIsNoWorse) {
  for (const NamedScheme& s : schemes()) {
    if (s.scheme.weights->strategy == Strategy::kTensorGroup) continue;
    NamedScheme mse = with_mse(s);
    mse.scheme.weights->observer_kwargs["norm"] = 2;
    const Weight weight = random_weight(DType::kF32, 64, 96, 8);
    EXPECT_LE(squared_error(mse.scheme, weight), squared_error(s.scheme, weight) * (1 + 1e-6)) << s.name;
  }
}

TEST(Compressor, PerTensorSearchTakesTheBestStep) {
  QuantizationScheme scheme = *preset_scheme("W4A16");
  scheme.weights->strategy = Strategy::kTensor;
  scheme.weights->group_size = std::nullopt;
  scheme.weights->observer = "memoryless_mse";
  scheme.weights->observer_kwargs = {{"norm", 2}, {"maxshrink", 0.9}, {"grid", 50}, {"patience", 1000}};
  ASSERT_EQ(observation_passes(scheme), 2);
  const Weight weight = random_weight(DType::kF32, 64, 96, 9);
  const double searched = squared_error(scheme, weight);

  // The same choice by trying: each step's range is given as an observation.
  const Observation plain = [&] {
    QuantizationScheme minmax = scheme;
    minmax.weights->observer = "minmax";
    return observe_all(minmax, {weight}, 64);
  }();
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 45; ++i) {
    const float p = static_cast<float>(1.0 - i / 50.0);
    Observation shrunk;
    shrunk.range = {plain.range.min * p, plain.range.max * p};
    best = std::min(best, compress_all(scheme, weight, shrunk, 64).statistics.squared_error);
  }
  EXPECT_NEAR(searched, best, 1e-6 * best);
  EXPECT_LT(best, compress_all(scheme, weight, plain, 64).statistics.squared_error * 0.9);
}

TEST(Decompressor, NamesWhatIsMissingOrShort) {
  const QuantizationScheme scheme = *preset_scheme("W4A16");
  const Weight weight = random_weight(DType::kBF16, 2, 128, 10);
  const CompressedWeight compressed = compress_all(scheme, weight);
  std::vector<float> values(256);
  auto message = [&](const std::map<std::string, std::span<const std::byte>>& tensors) -> std::string {
    try {
      decompress_rows(scheme, tensors, DType::kBF16, 2, 128, 0, 2, reference_quantize_kernels(),
                      values.data());
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message(compressed.spans()), "");
  for (const char* suffix : {"weight_packed", "weight_scale"}) {
    auto tensors = compressed.spans();
    tensors[suffix] = tensors[suffix].first(tensors[suffix].size() - 1);
    EXPECT_THAT(message(tensors), HasSubstr(suffix));
    tensors.erase(suffix);
    EXPECT_THAT(message(tensors), HasSubstr(std::string("no tensor `") + suffix));
  }
}

}  // namespace
}  // namespace tersor
