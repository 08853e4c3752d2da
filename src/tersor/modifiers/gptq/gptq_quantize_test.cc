// GPTQ against the textbook, column by column in double.
#include "tersor/modifiers/gptq/gptq_quantize.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "gptq_textbook.h"
#include "guarded_backend.h"
#include <gtest/gtest.h>

#include "tersor/backend/reference/code_value.h"

namespace tersor {
namespace {

struct Case {
  const char* name;
  CodeSpec spec;
  size_t group_size;  // columns
  bool asymmetric;
};

const std::vector<Case> kCases = {{"int4 group", {CodeKind::kInt, 4}, 8, false},
                                  {"int4 group asymmetric", {CodeKind::kInt, 4}, 8, true},
                                  {"int3 channel", {CodeKind::kInt, 3}, 1000, false},
                                  {"int8 channel", {CodeKind::kInt, 8}, 1000, false},
                                  {"fp8 block", {CodeKind::kFloat8, 8}, 20, false},
                                  {"fp4 group", {CodeKind::kFloat4, 4}, 16, false}};

class GptqTest : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<Backend> backend =
      GetParam() ? make_cpu_backend(MatmulPrecision::kF32, 2) : make_guarded_backend();

  GptqResult run(const Problem& p, ColumnOrder order, double dampening_frac, size_t block_size = 128) {
    const auto factor = factor_hessian(*backend, put(*backend, p.hessian, p.in, p.in), order, dampening_frac);
    EXPECT_TRUE(factor.has_value());
    return gptq_quantize(*backend, put(*backend, p.weight, p.out, p.in), *factor, p.scales, block_size);
  }
};

// One rounding that falls the other way in f32 leads to another, equally good result: losses are compared.
TEST_P(GptqTest, LosesAsLittleAsTheTextbook) {
  for (const Case& c : kCases) {
    for (const bool act_order : {false, true}) {
      const Problem p = make_problem(40, 72, c.spec, c.group_size, c.asymmetric, 3);
      const GptqResult result =
          run(p, act_order ? ColumnOrder::kDescending : ColumnOrder::kNatural, 0.01, 32);
      const double expected = loss_of(p, textbook(p, act_order, 0.01)),
                   got = loss_of(p, get(*backend, result.weight));
      EXPECT_NEAR(got / expected, 1, 1e-4) << c.name << (act_order ? ", act-order" : "");
      std::vector<float> plain(p.out * p.in);
      for (size_t i = 0; i < plain.size(); ++i) plain[i] = rounded(p, i / p.in, i % p.in, p.weight[i]);
      EXPECT_LT(got, 0.7 * loss_of(p, plain)) << c.name;
      // The codes stand for the values, and the loss is that of the damped matrix.
      const auto values = get(*backend, result.weight);
      double damped = got, mean = 0;
      for (size_t j = 0; j < p.in; ++j) mean += p.hessian[j * p.in + j] / static_cast<double>(p.in);
      for (size_t i = 0; i < values.size(); ++i) {
        const size_t row = i / p.in, column = i % p.in;
        const size_t at = static_cast<size_t>(p.scales.column_groups[column]) * p.out + row;
        const int zero_point = p.scales.zero_points.empty() ? 0 : static_cast<int>(p.scales.zero_points[at]);
        ASSERT_EQ(values[i], decode(result.codes[i], c.spec, zero_point) * p.scales.scales[at]) << c.name;
        damped += 0.01 * mean * std::pow(double{p.weight[i]} - values[i], 2);
      }
      EXPECT_NEAR(result.loss / damped, 1, 1e-3) << c.name;
    }
  }
}

TEST_P(GptqTest, TakesAnyShape) {
  for (const auto& [out, in] : {std::pair<size_t, size_t>{1, 1}, {1, 40}, {40, 1}, {3, 129}, {33, 200}}) {
    const Problem p = make_problem(out, in, {CodeKind::kInt, 4}, 8, false, 5);
    const double expected = loss_of(p, textbook(p, true, 0.01));
    const double got = loss_of(p, get(*backend, run(p, ColumnOrder::kDescending, 0.01).weight));
    EXPECT_NEAR(got, expected, 1e-3 * expected + 1e-9) << out << " x " << in;
  }
}

TEST_P(GptqTest, BlocksDoNotMatter) {
  const Problem p = make_problem(24, 90, {CodeKind::kInt, 4}, 30, false, 6);
  const double whole = loss_of(p, get(*backend, run(p, ColumnOrder::kNatural, 0.01, 1000).weight));
  for (const size_t block : {1u, 7u, 64u}) {
    const double got = loss_of(p, get(*backend, run(p, ColumnOrder::kNatural, 0.01, block).weight));
    EXPECT_NEAR(got / whole, 1, 1e-3) << block;
  }
}

TEST_P(GptqTest, LeavesDeadInputsToThemselves) {
  Problem p = make_problem(8, 40, {CodeKind::kInt, 4}, 8, false, 7);
  for (const size_t dead : {0u, 17u, 39u}) {
    for (size_t k = 0; k < p.in; ++k) p.hessian[dead * p.in + k] = p.hessian[k * p.in + dead] = 0;
  }
  const auto factor =
      factor_hessian(*backend, put(*backend, p.hessian, p.in, p.in), ColumnOrder::kDescending, 0.01);
  ASSERT_TRUE(factor);
  EXPECT_EQ(factor->dead_inputs, 3u);
  const GptqResult result = gptq_quantize(*backend, put(*backend, p.weight, p.out, p.in), *factor, p.scales);
  const auto values = get(*backend, result.weight);
  for (size_t r = 0; r < p.out; ++r) {
    for (const size_t dead : {0u, 17u, 39u})
      EXPECT_EQ(values[r * p.in + dead], rounded(p, r, dead, p.weight[r * p.in + dead]));
  }
  EXPECT_NEAR(loss_of(p, values) / loss_of(p, textbook(p, true, 0.01)), 1, 1e-3);

  const Problem nothing = [&] {
    Problem q = p;
    std::ranges::fill(q.hessian, 0.0f);
    return q;
  }();
  EXPECT_EQ(get(*backend, run(nothing, ColumnOrder::kDescending, 0.01).weight), [&] {
    std::vector<float> plain(p.out * p.in);
    for (size_t i = 0; i < plain.size(); ++i) plain[i] = rounded(p, i / p.in, i % p.in, p.weight[i]);
    return plain;
  }());
}

TEST_P(GptqTest, RaisesTheDampingOfASingularMatrix) {
  Problem p = make_problem(8, 64, {CodeKind::kInt, 4}, 8, false, 8);
  // Rank 1, and a hair of a negative eigenvalue, as f32 sums make it.
  for (size_t i = 0; i < p.in; ++i) {
    for (size_t j = 0; j < p.in; ++j) p.hessian[i * p.in + j] = 1;
  }
  p.hessian[0] = 0.9995f;
  const auto h = put(*backend, p.hessian, p.in, p.in);
  const auto raised = factor_hessian(*backend, h, ColumnOrder::kNatural, 1e-4);
  ASSERT_TRUE(raised);
  EXPECT_NEAR(raised->dampening_frac, 1e-3, 1e-9);
  const auto values =
      get(*backend, gptq_quantize(*backend, put(*backend, p.weight, p.out, p.in), *raised, p.scales).weight);
  EXPECT_TRUE(std::ranges::all_of(values, [](float v) { return std::isfinite(v); }));

  p.hessian[0] = -1000;
  EXPECT_FALSE(factor_hessian(*backend, put(*backend, p.hessian, p.in, p.in), ColumnOrder::kNatural, 1e-4));
}

// Shrinking correlations is enlarging the diagonal.
TEST_P(GptqTest, ShrinkageEnlargesEachDiagonalElement) {
  constexpr double kShrinkage = 0.25, kDamping = 0.02;
  Problem p = make_problem(1, 40, {CodeKind::kInt, 4}, 8, false, 6);
  const auto shrunken = factor_hessian(*backend, put(*backend, p.hessian, p.in, p.in),
                                       ColumnOrder::kDescending, kDamping, kShrinkage);
  ASSERT_TRUE(shrunken);
  for (size_t i = 0; i < p.in; ++i) p.hessian[i * p.in + i] *= 1 + kShrinkage;
  const auto enlarged = factor_hessian(*backend, put(*backend, p.hessian, p.in, p.in),
                                       ColumnOrder::kDescending, kDamping / (1 + kShrinkage));
  ASSERT_TRUE(enlarged);
  EXPECT_EQ(shrunken->order, enlarged->order);
  const auto a = get(*backend, shrunken->inverse), b = get(*backend, enlarged->inverse);
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5) << i;
}

TEST_P(GptqTest, MeasuresOutputError) {
  for (const auto& [out, in] : {std::pair<size_t, size_t>{20, 33}, {3, 512}, {5, 531}}) {
    const Problem p = make_problem(out, in, {CodeKind::kInt, 4}, 8, false, 9);
    const std::vector<float> zero(p.out * p.in, 0.0f);
    const double error =
        output_error(*backend, put(*backend, p.hessian, p.in, p.in), put(*backend, p.weight, p.out, p.in));
    EXPECT_NEAR(error / loss_of(p, zero), 1, 1e-4) << out << " x " << in;
  }
}

// In a file or in memory: the same bits, for shapes beyond what is read at a time.
TEST_P(GptqTest, HessiansInAFileGiveTheSame) {
  const Problem p = make_problem(5, 531, {CodeKind::kInt, 4}, 9, false, 10);
  const DeviceTensor matrix = put(*backend, p.hessian, p.in, p.in),
                     weight = put(*backend, p.weight, p.out, p.in);
  StoredHessian in_file(matrix);
  in_file.spill(*backend, std::filesystem::temp_directory_path());
  EXPECT_EQ(in_file.size(), p.in);
  EXPECT_EQ(in_file.diagonal(*backend), StoredHessian(matrix).diagonal(*backend));
  for (const ColumnOrder order : {ColumnOrder::kNatural, ColumnOrder::kDescending}) {
    const auto a = factor_hessian(*backend, matrix, order, 0.01),
               b = factor_hessian(*backend, in_file, order, 0.01);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->order, b->order);
    EXPECT_TRUE(get(*backend, a->inverse) == get(*backend, b->inverse));
  }
  EXPECT_EQ(output_error(*backend, matrix, weight), output_error(*backend, in_file, weight));
}

INSTANTIATE_TEST_SUITE_P(Backends, GptqTest, ::testing::Bool(),
                         [](const auto& param_info) { return param_info.param ? "cpu" : "guarded"; });

}  // namespace
}  // namespace tersor
