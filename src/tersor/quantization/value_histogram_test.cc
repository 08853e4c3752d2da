#include "tersor/quantization/value_histogram.h"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tersor/base/float_types.h"

namespace tersor {
namespace {

std::map<float, uint64_t> contents(const ValueHistogram& histogram) {
  std::map<float, uint64_t> counts;
  histogram.each([&](float value, uint64_t count) { counts[value] += count; });
  return counts;
}

TEST(ValueHistogram, CountsValuesAsBf16) {
  ValueHistogram histogram;
  const std::vector<float> values = {0.0f, 1.0f, 1.001f, -1.0f, 1.0f, 1.004f, 3e-39f, -448.0f};
  histogram.add(values);
  std::map<float, uint64_t> expected;
  for (const float v : values) ++expected[to_float(bfloat16_from(v))];
  EXPECT_EQ(contents(histogram), expected);
  EXPECT_EQ(expected[1.0f], 3u);
}

TEST(ValueHistogram, IsTheSameInAnyOrderAndInAnyParts) {
  std::mt19937 random(1);
  std::vector<float> values(10'000);
  for (float& v : values) v = std::normal_distribution<float>(0, 3)(random);
  ValueHistogram whole, parts, left, right;
  whole.add(values);
  std::ranges::shuffle(values, random);
  left.add(std::span(values).first(1234));
  right.add(std::span(values).subspan(1234));
  parts.add(right);
  parts.add(left);
  EXPECT_EQ(contents(parts), contents(whole));
}

TEST(ValueHistogram, StaysInItsBounds) {
  ValueHistogram histogram;
  EXPECT_EQ(histogram.bytes(), 0u);
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 1 << 16; ++bits) {
    const float v = to_float(BFloat16{static_cast<uint16_t>(bits)});
    if (v == v) values.push_back(v);
  }
  histogram.add(values);
  EXPECT_LE(histogram.bytes(), ValueHistogram::kMostBytes);
  size_t seen = 0;
  histogram.each([&](float, uint64_t count) { seen += count; });
  EXPECT_EQ(seen, values.size());
}

}  // namespace
}  // namespace tersor
