// The machine's own rates, beside which the benchmarks put what the program reaches.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "tersor/backend/backend.h"

namespace tersor {

// Seconds of the fastest of `rounds` calls.
template <typename F>
inline double fastest(int rounds, F&& f) {
  double best = 1e30;
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

// Normally distributed.
inline DeviceTensor random_matrix(Backend& backend, size_t rows, size_t cols, uint32_t seed,
                                  float deviation) {
  std::vector<float> values(rows * cols);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  for (float& v : values) v = normal(random);
  const DeviceTensor matrix = backend.allocate(DType::kF32, rows, cols);
  backend.copy_in(matrix, values.data());
  return matrix;
}

// Operations per second of one large product, as the back end makes it: the median of two seconds, for the
// fastest moment of a machine that is shared says nothing of what a long run can reach.
inline double gemm_rate(Backend& backend) {
  const size_t n = 2048;
  const DeviceTensor x = random_matrix(backend, n, n, 1, 1), y = backend.allocate(DType::kF32, n, n);
  const auto weight = backend.pack(x);
  backend.matmul(x, *weight, {}, y);
  std::vector<double> seconds;
  for (double sum = 0; sum < 2; sum += seconds.back())
    seconds.push_back(fastest(1, [&] { backend.matmul(x, *weight, {}, y); }));
  std::ranges::nth_element(seconds, seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2));
  return 2.0 * n * n * n / seconds[seconds.size() / 2];
}

// Bytes per second that all threads read from memory.
inline double read_rate() {
  std::vector<uint64_t> memory(size_t{1} << 25, 1);  // 256 MiB
  uint64_t sum = 0;
  const double seconds = fastest(3, [&] {
#pragma omp parallel for reduction(+ : sum)
    for (size_t i = 0; i < memory.size(); ++i) sum += memory[i];
  });
  if (sum == 0) std::puts("");
  return static_cast<double>(memory.size()) * 8 / seconds;
}

}  // namespace tersor
