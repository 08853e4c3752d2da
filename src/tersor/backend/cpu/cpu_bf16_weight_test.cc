// Products with bf16 weights in f32: the definition, and that nothing but the values decides the bits.
#include "tersor/backend/cpu/cpu_bf16_weight.h"

#include <cmath>

#include "random_values.h"
#include <gtest/gtest.h>

#include "tersor/backend/cpu/weight_kernels.h"
#include "tersor/base/float_types.h"

namespace tersor {
namespace {

std::vector<uint16_t> bf16_normal(size_t n, unsigned seed) {
  std::vector<uint16_t> bits;
  for (const float v : normal_values(n, seed)) bits.push_back(bfloat16_from(v).bits);
  return bits;
}

DeviceTensor put(Backend& b, DType dtype, const void* values, size_t rows, size_t cols) {
  const DeviceTensor t = b.allocate(dtype, rows, cols);
  b.copy_in(t, values);
  return t;
}

// One output as every kernel is to sum it where the CPU has fused multiply-adds.
float chain(const float* x, const uint16_t* w, size_t in) {
  float sum = 0;
  for (size_t i = 0; i < in; ++i) sum = std::fma(x[i], to_float(BFloat16{w[i]}), sum);
  return sum;
}

TEST(Bf16WeightTest, TakesTwoBytesAWeight) {
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  const auto bits = bf16_normal(70 * 50, 1);
  EXPECT_EQ(backend->pack(put(*backend, DType::kBF16, bits.data(), 70, 50))->bytes, 2 * 50 * 128);
  // What bf16 may not hold stays f32.
  const auto values = normal_values(64 * 64, 1);
  EXPECT_GE(backend->pack(put(*backend, DType::kF32, values.data(), 64, 64))->bytes, 4 * 64 * 64);
}

TEST(Bf16WeightTest, EveryElementIsOneChainForAnyNumberOfRowsAndThreads) {
  const size_t out = 201, in = 1030, rows = 401;
  const auto x = normal_values(rows * in, 2);
  const auto w = bf16_normal(out * in, 3);
#ifdef __SANITIZE_THREAD__  // GCC's does not see libgomp's barriers
  const std::vector<size_t> thread_counts = {1};
#else
  const std::vector<size_t> thread_counts = {1, 2, 3, 5};
#endif
  std::vector<float> first;
  for (const size_t threads : thread_counts) {
    const auto backend = make_cpu_backend(MatmulPrecision::kF32, threads);
    const auto weight = backend->pack(put(*backend, DType::kBF16, w.data(), out, in));
    const DeviceTensor all = put(*backend, DType::kF32, x.data(), rows, in);
    for (const size_t count : {size_t{1}, size_t{7}, size_t{12}, size_t{13}, size_t{100}, rows}) {
      std::vector<float> got(count * out);
      const DeviceTensor y = backend->allocate(DType::kF32, count, out);
      backend->matmul(all.sub_rows(0, count), *weight, {}, y);
      backend->copy_out(y, got.data());
      if (first.empty()) {
        first = got;
      } else if (got.size() > first.size()) {
        std::swap(first, got);
      }
      // The shorter result is a prefix of the longer one.
      for (size_t i = 0; i < got.size(); ++i)
        ASSERT_EQ(got[i], first[i]) << count << " rows, " << threads << " threads, element " << i;
    }
  }
}

TEST(Bf16WeightTest, KernelsOfEveryInstructionSetGiveTheSameChain) {
  const size_t in = 777;
  const auto bits = bf16_normal(in * kBlockOutputs, 4);
  std::vector<uint16_t> block(in * kBlockOutputs);
  for (size_t i = 0; i < in; ++i) {
    for (size_t o = 0; o < kBlockOutputs; ++o) block[i * kBlockOutputs + o] = bits[o * in + i];
  }
  const auto panel = hwy::AllocateAligned<float>(kPanelFloats);
  for (const WeightKernels* kernels : supported_weight_kernels()) {
    const std::string name = kernels->name;
    const bool fused = name.starts_with("AVX");
    for (const size_t rows : {1, 2, 3, 6, 7, 12, 13, 20}) {
      const auto x = normal_values(rows * in, 5);
      for (const size_t first : {0, 32}) {
        for (const size_t outputs : {1, 17, 31, 32, 33, 63, 64}) {
          if (first + outputs > kBlockOutputs) continue;
          constexpr float kUntouched = 1e30f;
          const size_t stride = 70;
          std::vector<float> y(rows * stride, kUntouched);
          kernels->multiply(
              {x.data(), rows, in, block.data() + first, outputs, y.data(), stride, panel.get()});
          for (size_t r = 0; r < rows; ++r) {
            for (size_t o = 0; o < stride; ++o) {
              const float got = y[r * stride + o];
              if (o >= outputs) {
                ASSERT_EQ(got, kUntouched) << name;
                continue;
              }
              const float expected = chain(&x[r * in], &bits[(first + o) * in], in);
              if (fused) {
                ASSERT_EQ(got, expected)
                    << name << ", row " << r << " of " << rows << ", output " << first + o;
              } else {
                // Each of `in` products is rounded once more, and sums stay below 6 standard deviations.
                ASSERT_NEAR(got, expected, static_cast<double>(in) * 6 * std::sqrt(in) * 0x1p-24) << name;
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tersor
