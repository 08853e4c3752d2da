// Bytes against those of compressed-tensors 0.19: tests/golden/make_golden.py made them.
#include <gtest/gtest.h>

#include "tersor/compressors/compressor.h"
#include "tersor/compressors/quantization_config.h"
#include "tersor/compressors/whole_weight_testing.h"
#include "tersor/io/safetensors/safetensors_header.h"

namespace tersor {
namespace {

using testing::compress_all;
using testing::CompressedWeight;
using testing::decompress_all;
using testing::Weight;

const std::string kFolder = std::string(TERSOR_SOURCE_DIR) + "/tests/golden/";

// The CRC-32 of zlib, bit by bit.
uint32_t crc32(std::span<const std::byte> bytes) {
  uint32_t crc = ~0u;
  for (std::byte byte : bytes) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

class Golden : public ::testing::Test {
 protected:
  void SetUp() override {
    source_ = open_file_source(kFolder + "golden.safetensors");
    for (const TensorInfo& info : read_safetensors_header(*source_).tensors) infos_[info.name] = info;
    config_ = quantization_config_from_json(read_json_file(kFolder + "golden.json"), "golden.json");
  }

  std::vector<std::byte> bytes(const std::string& name) const {
    const TensorInfo& info = infos_.at(name);
    std::vector<std::byte> out(info.bytes());
    source_->read_at(info.begin, out);
    return out;
  }

  // "bf16.int4_group" → the weight "bf16.weight".
  Weight weight_of_target(const std::string& target) const {
    const std::string name = target.substr(0, target.find('.')) + ".weight";
    const TensorInfo& info = infos_.at(name);
    return {info.dtype, info.shape[0], info.shape[1], bytes(name)};
  }

  std::unique_ptr<ByteSource> source_;
  std::map<std::string, TensorInfo> infos_;
  QuantizationConfig config_;
};

TEST_F(Golden, EveryStoredByte) {
  ASSERT_GT(config_.groups.size(), 15u);
  for (const QuantizationScheme& scheme : config_.groups) {
    const std::string& target = scheme.targets.at(0);
    const Weight weight = weight_of_target(target);
    const CompressedWeight compressed = compress_all(scheme, weight);
    for (const StoredTensor& tensor : stored_tensors(scheme, weight.dtype, weight.rows, weight.cols)) {
      const TensorInfo& info = infos_.at(target + "." + tensor.suffix);
      EXPECT_EQ(dtype_name(info.dtype), dtype_name(tensor.dtype)) << info.name;
      EXPECT_EQ(info.shape, tensor.shape) << info.name;
      EXPECT_TRUE(compressed.tensors.at(tensor.suffix) == bytes(info.name)) << info.name;
    }
  }
}

TEST_F(Golden, EveryRestoredValue) {
  for (const QuantizationScheme& scheme : config_.groups) {
    const std::string& target = scheme.targets.at(0);
    const Weight weight = weight_of_target(target);
    CompressedWeight golden;
    for (const StoredTensor& tensor : stored_tensors(scheme, weight.dtype, weight.rows, weight.cols)) {
      golden.tensors[tensor.suffix] = bytes(target + "." + tensor.suffix);
    }
    const std::vector<float> values = decompress_all(scheme, weight, golden);
    golden.tensors["crc32"] = bytes(target + ".crc32");
    EXPECT_EQ(crc32(std::as_bytes(std::span(values))), golden.as<int64_t>("crc32").at(0)) << target;
  }
}

}  // namespace
}  // namespace tersor
