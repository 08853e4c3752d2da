#include <gtest/gtest.h>

#include "tersor/tensor/dtype.h"
#include "tersor/tensor/matrix_view.h"
#include "tersor/tensor/shape.h"

namespace tersor {
namespace {

TEST(DType, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(DType::kF64); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
    EXPECT_EQ(dtype_from_torch_name(torch_dtype_name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_from_torch_name("float8_e4m3fn"), DType::kF8E4M3);
  EXPECT_FALSE(dtype_from_name("bf16"));
}

TEST(Shape, CountsWithoutOverflow) {
  EXPECT_EQ(num_elements({}), 1u);
  EXPECT_EQ(num_elements({3, 0, 5}), 0u);
  EXPECT_EQ(num_bytes({3, 5}, DType::kF32), 60u);
  EXPECT_FALSE(num_elements({1ull << 40, 1ull << 40}));
  EXPECT_FALSE(num_bytes({1ull << 62}, DType::kF64));
  EXPECT_EQ(to_string(Shape{2, 3}), "[2, 3]");
}

TEST(WeightView, VisitsItsType) {
  const float values[4] = {1, 2, 3, 4};
  const WeightView w{reinterpret_cast<const std::byte*>(values), DType::kF32, 2, 2};
  EXPECT_EQ(visit_weight(w.sub_rows(1, 1), [](auto m) { return to_float(m.row(0)[1]); }), 4.0f);
}

}  // namespace
}  // namespace tersor
