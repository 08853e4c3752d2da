// Activations rounded as torch formulas round them: tests/golden/make_activations.py made the file.
#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "tersor/backend/backend.h"
#include "tersor/io/byte_source.h"
#include "tersor/io/safetensors/safetensors_header.h"

namespace tersor {
namespace {

using Kind = ActivationQuantArgs::Kind;

struct Scheme {
  const char* name;
  ActivationQuantArgs args;
};
const Scheme kSchemes[] = {
    {"int8", {}},
    {"int4", {.num_bits = 4}},
    {"fp8_token", {.kind = Kind::kFloat8}},
    {"fp8_group", {.kind = Kind::kFloat8, .group_size = 128}},
    {"mxfp8", {.kind = Kind::kFloat8, .group_size = 32, .power_of_two = true}},
    {"mxfp4", {.kind = Kind::kFloat4, .num_bits = 4, .group_size = 32, .power_of_two = true}},
};

TEST(ActivationsGolden, EveryBit) {
  const auto file =
      open_file_source(std::string(TERSOR_SOURCE_DIR) + "/tests/golden/activations.safetensors");
  std::map<std::string, std::vector<float>> tensors;
  uint64_t rows = 0, cols = 0;
  for (const TensorInfo& info : read_safetensors_header(*file).tensors) {
    rows = info.shape.at(0);
    cols = info.shape.at(1);
    tensors[info.name].resize(rows * cols);
    file->read_at(info.begin, std::as_writable_bytes(std::span(tensors[info.name])));
  }
  for (const auto& make :
       {make_reference_backend, +[] { return make_cpu_backend(MatmulPrecision::kF32, 1); }}) {
    const auto backend = make();
    const DeviceTensor x = backend->allocate(DType::kF32, rows, cols);
    const DeviceTensor y = backend->allocate(DType::kF32, rows, cols);
    backend->copy_in(x, tensors.at("x").data());
    for (const Scheme& scheme : kSchemes) {
      backend->fake_quantize(scheme.args, x, y);
      std::vector<float> got(rows * cols);
      backend->copy_out(y, got.data());
      const std::vector<float>& want = tensors.at(scheme.name);
      for (size_t i = 0; i < got.size(); ++i) {
        // Codes of zero may have either sign.
        ASSERT_TRUE(got[i] == want[i]) << scheme.name << " [" << i / cols << ", " << i % cols << "] of "
                                       << tensors.at("x")[i] << ": " << got[i] << ", not " << want[i];
      }
    }
  }
}

}  // namespace
}  // namespace tersor
