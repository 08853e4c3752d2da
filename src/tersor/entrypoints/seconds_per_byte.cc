#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "tersor/compressors/compressor.h"
#include "tersor/entrypoints/session.h"

namespace tersor {
namespace {

// A sample that fits the second-level cache, as a piece of a row block does; 4096 columns divide by every
// group size in use.
constexpr uint64_t kRows = 64, kCols = 4096;

// Weights as training leaves them: many small, few large; the same every time.
std::vector<std::byte> sample_weights(DType dtype) {
  std::vector<std::byte> bytes(kRows * kCols * dtype_size(dtype));
  for (uint64_t i = 0; i < kRows * kCols; ++i) {
    const float x = 0.05f * std::sin(static_cast<float>(i * 2654435761u % 65536));
    if (dtype == DType::kF32) {
      std::memcpy(&bytes[i * 4], &x, 4);
    } else {
      const uint16_t half = dtype == DType::kBF16 ? bfloat16_from(x).bits : float16_from(x).bits;
      std::memcpy(&bytes[i * 2], &half, 2);
    }
  }
  return bytes;
}

}  // namespace

double seconds_per_byte(const QuantizationScheme& scheme, DType dtype) {
  using Clock = std::chrono::steady_clock;
  const std::vector<std::byte> bytes = sample_weights(dtype);
  const WeightView rows{bytes.data(), dtype, kRows, kCols};
  const QuantizeKernels& kernels = cpu_quantize_kernels();
  CompressScratch scratch;
  std::vector<StoredPiece> pieces;
  double best = INFINITY;
  const Clock::time_point begin = Clock::now();
  do {  // the first round warms the buffers
    const Clock::time_point start = Clock::now();
    Observation observation;
    for (int pass = 0; pass < observation_passes(scheme); ++pass) {
      const Observation before = observation;
      observation = observe_rows(scheme, rows, pass, before, kernels, scratch);
      finish_pass(scheme, dtype, pass, observation);
    }
    compress_rows(scheme, kRows, 0, rows, observation, kernels, scratch, pieces);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  } while (Clock::now() - begin < std::chrono::milliseconds(10));
  return best / static_cast<double>(bytes.size());
}

}  // namespace tersor
