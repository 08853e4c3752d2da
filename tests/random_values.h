// Random numbers for tests: the same on every machine.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace tersor {

inline std::vector<float> normal_values(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> values(n);
  for (float& v : values) v = distribution(random);
  return values;
}

}  // namespace tersor
