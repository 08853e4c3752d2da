// For tests: whole weights compressed block by block, as a pipeline would.
#pragma once

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tersor/base/checked_math.h"
#include "tersor/base/float_types.h"
#include "tersor/compressors/compressor.h"

namespace tersor::testing {

// An owned weight [rows, cols].
struct Weight {
  DType dtype = DType::kF32;
  size_t rows = 0;
  size_t cols = 0;
  std::vector<std::byte> bytes;

  WeightView view() const { return {bytes.data(), dtype, rows, cols}; }
  float at(size_t index) const {
    return visit_weight(view(), [&](auto matrix) { return to_float(matrix.data[index]); });
  }
};

// `values` rounded to `dtype`.
inline Weight weight_of(DType dtype, size_t rows, size_t cols, const std::vector<float>& values) {
  EXPECT_EQ(values.size(), rows * cols);
  Weight weight{dtype, rows, cols, std::vector<std::byte>(values.size() * dtype_size(dtype))};
  for (size_t i = 0; i < values.size(); ++i) {
    std::byte* at = weight.bytes.data() + i * dtype_size(dtype);
    if (dtype == DType::kF32) {
      std::memcpy(at, &values[i], 4);
    } else {
      const uint16_t bits =
          dtype == DType::kBF16 ? bfloat16_from(values[i]).bits : float16_from(values[i]).bits;
      std::memcpy(at, &bits, 2);
    }
  }
  return weight;
}

// Normal values of different size in each row, with some exact zeros of either sign.
inline Weight random_weight(DType dtype, size_t rows, size_t cols, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> values;
  for (size_t r = 0; r < rows; ++r) {
    const float size = std::exp(normal(random) - 3);
    for (size_t c = 0; c < cols; ++c)
      values.push_back(random() % 16 == 0 ? std::copysign(0.0f, normal(random)) : size * normal(random));
  }
  return weight_of(dtype, rows, cols, values);
}

// Stored tensors by suffix.
struct CompressedWeight {
  std::map<std::string, std::vector<std::byte>> tensors;
  BlockStatistics statistics;

  std::map<std::string, std::span<const std::byte>> spans() const {
    std::map<std::string, std::span<const std::byte>> out;
    for (const auto& [suffix, bytes] : tensors) out[suffix] = bytes;
    return out;
  }
  template <typename T>
  std::vector<T> as(const std::string& suffix) const {
    const auto& bytes = tensors.at(suffix);
    std::vector<T> out(bytes.size() / sizeof(T));
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }
};

// Observes all members of a fused set in blocks of at least `block` rows.
inline Observation observe_all(const QuantizationScheme& scheme, const std::vector<Weight>& members,
                               size_t block, const QuantizeKernels& kernels = reference_quantize_kernels()) {
  CompressScratch scratch;
  Observation before;
  for (int pass = 0; pass < observation_passes(scheme); ++pass) {
    Observation merged;
    for (const Weight& weight : members) {
      for (size_t row = 0; row < weight.rows; row += block) {
        const WeightView rows = weight.view().sub_rows(row, std::min(block, weight.rows - row));
        merge(merged, observe_rows(scheme, rows, pass, before, kernels, scratch));
      }
    }
    finish_pass(scheme, members.front().dtype, pass, merged);
    before = merged;
  }
  return before;
}

// Compresses in blocks of at least `block` rows, and checks that the pieces tile the stored tensors.
inline CompressedWeight compress_all(const QuantizationScheme& scheme, const Weight& weight,
                                     const Observation& observation, size_t block,
                                     const QuantizeKernels& kernels = reference_quantize_kernels()) {
  const auto stored = stored_tensors(scheme, weight.dtype, weight.rows, weight.cols);
  CompressedWeight out;
  for (const StoredTensor& tensor : stored) {
    out.tensors[tensor.suffix].resize(*num_bytes(tensor.shape, tensor.dtype));
  }
  std::vector<std::vector<bool>> written;
  for (const StoredTensor& tensor : stored) written.emplace_back(out.tensors[tensor.suffix].size());

  block = round_up(block, row_alignment(scheme));
  CompressScratch scratch;
  std::vector<StoredPiece> pieces;
  for (size_t row = 0; row < weight.rows; row += block) {
    const WeightView rows = weight.view().sub_rows(row, std::min(block, weight.rows - row));
    const BlockStatistics s =
        compress_rows(scheme, weight.rows, row, rows, observation, kernels, scratch, pieces);
    out.statistics.squared_error += s.squared_error;
    out.statistics.squared_norm += s.squared_norm;
    out.statistics.zero_groups += s.zero_groups;
    out.statistics.finite = out.statistics.finite && s.finite;
    if (!s.finite) return out;
    for (const StoredPiece& piece : pieces) {
      auto& bytes = out.tensors[stored.at(piece.tensor).suffix];
      EXPECT_LE(piece.offset + piece.bytes.size(), bytes.size()) << stored[piece.tensor].suffix;
      for (size_t i = 0; i < piece.bytes.size(); ++i) {
        EXPECT_FALSE(written[piece.tensor][piece.offset + i])
            << "written twice: " << stored[piece.tensor].suffix;
        written[piece.tensor][piece.offset + i] = true;
        bytes[piece.offset + i] = piece.bytes[i];
      }
    }
  }
  for (size_t t = 0; t < stored.size(); ++t) {
    for (bool byte : written[t]) EXPECT_TRUE(byte) << "not written: " << stored[t].suffix;
  }
  return out;
}

inline CompressedWeight compress_all(const QuantizationScheme& scheme, const Weight& weight,
                                     size_t block = SIZE_MAX / 2) {
  block = std::min(block, weight.rows);
  return compress_all(scheme, weight, observe_all(scheme, {weight}, block), block);
}

inline std::vector<float> decompress_all(const QuantizationScheme& scheme, const Weight& weight,
                                         const CompressedWeight& compressed) {
  std::vector<float> values(weight.rows * weight.cols);
  decompress_rows(scheme, compressed.spans(), weight.dtype, weight.rows, weight.cols, 0, weight.rows,
                  reference_quantize_kernels(), values.data());
  return values;
}

}  // namespace tersor::testing
