#include "tersor/compressors/stored_rows.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/compressors/whole_weight_testing.h"

namespace tersor {
namespace {

using testing::compress_all;
using testing::CompressedWeight;
using testing::random_weight;
using testing::Weight;

// One of each layout: bit streams, nibbles, bytes; scales per group, channel, block, tensor; zero points
// packed and not.
std::vector<QuantizationScheme> schemes() {
  std::vector<QuantizationScheme> out;
  for (const char* name : {"W4A16", "W4A16_ASYM", "W3A16", "W8A8", "FP8_DYNAMIC", "FP8_BLOCK", "NVFP4A16",
                           "MXFP4A16", "MXFP8"}) {
    QuantizationScheme scheme = *preset_scheme(name);
    if (scheme.weights->group_size == 128) scheme.weights->group_size = 32;
    if (scheme.weights->block_structure) scheme.weights->block_structure = {16, 48};
    out.push_back(scheme);
  }
  QuantizationScheme scheme = *preset_scheme("W4A16_ASYM");
  scheme.weights->num_bits = 5;
  scheme.weights->group_size = 32;
  out.push_back(scheme);
  scheme.weights->num_bits = 8;
  scheme.format = Format::kNaive;
  scheme.weights->strategy = Strategy::kTensor;
  scheme.weights->group_size.reset();
  out.push_back(scheme);
  return out;
}

constexpr size_t kRows = 80, kCols = 96;  // ragged for blocks of 48, and no multiple of 32 rows × 3

TEST(StoredRows, ABlockIsAWeightOfItsOwn) {
  const QuantizeKernels& kernels = cpu_quantize_kernels();
  for (const QuantizationScheme& scheme : schemes()) {
    const Weight weight = random_weight(DType::kBF16, kRows, kCols, 1);
    const CompressedWeight stored = compress_all(scheme, weight, 32);
    const auto tensors = stored_tensors(scheme, weight.dtype, kRows, kCols);
    std::vector<float> whole(kRows * kCols), block;
    decompress_rows(scheme, stored.spans(), weight.dtype, kRows, kCols, 0, kRows, kernels, whole.data());
    std::map<std::string, std::vector<bool>> covered;
    for (size_t row = 0; row < kRows; row += 32) {
      const size_t count = std::min<size_t>(32, kRows - row);
      const auto extents = stored_extents(scheme, weight.dtype, kRows, kCols, row, count);
      std::map<std::string, std::span<const std::byte>> spans;
      for (size_t t = 0; t < tensors.size(); ++t) {
        const auto& bytes = stored.tensors.at(tensors[t].suffix);
        spans[tensors[t].suffix] = std::span(bytes).subspan(extents[t].offset, extents[t].bytes);
        auto& seen = covered[tensors[t].suffix];
        seen.resize(bytes.size());
        std::fill_n(seen.begin() + static_cast<int64_t>(extents[t].offset), extents[t].bytes, true);
      }
      block.assign(count * kCols, 0);
      decompress_rows(scheme, spans, weight.dtype, count, kCols, 0, count, kernels, block.data());
      EXPECT_TRUE(std::equal(block.begin(), block.end(), whole.begin() + static_cast<int64_t>(row * kCols)));
    }
    for (const auto& [suffix, seen] : covered)
      EXPECT_TRUE(std::ranges::all_of(seen, [](bool b) { return b; })) << suffix;
  }
}

TEST(StoredRows, FindsEveryBit) {
  const QuantizeKernels& kernels = cpu_quantize_kernels();
  for (const QuantizationScheme& scheme : schemes()) {
    const Weight weight = random_weight(DType::kBF16, kRows, kCols, 2);
    const CompressedWeight stored = compress_all(scheme, weight, kRows);
    const auto tensors = stored_tensors(scheme, weight.dtype, kRows, kCols);
    for (size_t t = 0; t < tensors.size(); ++t) {
      const StoredPiece piece{t, 0, stored.tensors.at(tensors[t].suffix)};
      std::vector<std::byte> found = piece.bytes;
      EXPECT_FALSE(compare_piece(scheme, weight.dtype, kRows, kCols, piece, found, kernels));
      for (size_t bit = 0; bit < found.size() * 8; bit += 5) {
        found[bit / 8] ^= std::byte(1 << bit % 8);
        const auto difference = compare_piece(scheme, weight.dtype, kRows, kCols, piece, found, kernels);
        ASSERT_TRUE(difference) << tensors[t].suffix << " bit " << bit;
        EXPECT_EQ(difference->count, 1u);
        EXPECT_EQ(difference->tensor, t);
        found[bit / 8] = piece.bytes[bit / 8];
      }
    }
  }
}

TEST(StoredRows, TellsPlacesInTheWeight) {
  QuantizationScheme scheme = *preset_scheme("W3A16");
  scheme.weights->group_size = 20;
  const Weight weight = random_weight(DType::kBF16, 4, 20, 3);  // 60 bits of codes in 64 of a row
  const auto& kernels = cpu_quantize_kernels();
  const CompressedWeight stored = compress_all(scheme, weight, 4);
  const StoredPiece lower{
      0, 2 * 8, {stored.tensors.at("weight_packed").begin() + 16, stored.tensors.at("weight_packed").end()}};
  std::vector<std::byte> found = lower.bytes;
  found[8] ^= std::byte(1 << 3);  // row 3, bit 3: column 1
  auto difference = compare_piece(scheme, weight.dtype, 4, 20, lower, found, kernels);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->row, 3u);
  EXPECT_EQ(difference->col, 1u);
  EXPECT_EQ(difference->of, 80u);
  found = lower.bytes;
  found[15] ^= std::byte(1 << 7);
  difference = compare_piece(scheme, weight.dtype, 4, 20, lower, found, kernels);
  ASSERT_TRUE(difference);
  EXPECT_TRUE(difference->only_padding);
  EXPECT_EQ(difference->row, 3u);
}

}  // namespace
}  // namespace tersor
