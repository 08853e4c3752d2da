// GPTAQ against its column-by-column form in double: least squares over the columns left, solved anew for
// every column.
#include "tersor/modifiers/gptq/asymmetric_shift.h"

#include "gptq_textbook.h"
#include "guarded_backend.h"
#include <gtest/gtest.h>

#include "tersor/modifiers/gptq/gptq_quantize.h"

namespace tersor {
namespace {

// A problem whose inputs X have lost something of the source's X̃.
struct LossyProblem {
  Problem problem;
  std::vector<float> cross;  // 2/n · (X̃ − X)·Xᵀ
  Matrix lost;               // 2/n · (X̃ − X)·(X̃ − X)ᵀ
};

LossyProblem make_lossy(size_t out, size_t in, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  LossyProblem lossy{make_problem(out, in, {CodeKind::kInt, 4}, 8, false, seed), {}, Matrix(in * in, 0.0)};
  const size_t tokens = 4 * in, rank = std::max<size_t>(1, in / 3);
  Matrix basis(rank * in), mix(in * in), h(in * in, 0.0), d(in * in, 0.0);
  for (double& v : basis) v = normal(random);
  for (double& v : mix) v = 0.2 * normal(random) / std::sqrt(static_cast<double>(in));
  std::vector<double> source(in), x(in);
  for (size_t t = 0; t < tokens; ++t) {
    for (double& v : source) v = 0.3 * normal(random);
    for (size_t r = 0; r < rank; ++r) {
      const double a = normal(random);
      for (size_t j = 0; j < in; ++j) source[j] += a * basis[r * in + j];
    }
    for (size_t j = 0; j < in; ++j) {
      x[j] = source[j] + 0.05 * normal(random);
      for (size_t k = 0; k < in; ++k) x[j] += mix[j * in + k] * source[k];
    }
    const double scale = 2.0 / static_cast<double>(tokens);
    for (size_t i = 0; i < in; ++i) {
      for (size_t j = 0; j < in; ++j) {
        h[i * in + j] += scale * x[i] * x[j];
        d[i * in + j] += scale * (source[i] - x[i]) * x[j];
        lossy.lost[i * in + j] += scale * (source[i] - x[i]) * (source[j] - x[j]);
      }
    }
  }
  lossy.problem.hessian.assign(h.begin(), h.end());
  lossy.cross.assign(d.begin(), d.end());
  return lossy;
}

// 2/n · ‖Ŵ·X − W·X̃‖².
double objective(const LossyProblem& lossy, const std::vector<float>& result) {
  const Problem& p = lossy.problem;
  double sum = loss_of(p, result);
  for (size_t r = 0; r < p.out; ++r) {
    for (size_t i = 0; i < p.in; ++i) {
      const double w = p.weight[r * p.in + i];
      for (size_t j = 0; j < p.in; ++j) {
        const double change = double{result[r * p.in + j]} - p.weight[r * p.in + j];
        sum += w * lossy.lost[i * p.in + j] * p.weight[r * p.in + j] -
               2 * w * lossy.cross[i * p.in + j] * change;
      }
    }
  }
  return sum;
}

// `as_it_stands`: the residual's column is taken as the paper's listing does, with what was added to it
// since.
std::vector<float> textbook_gptaq(const LossyProblem& lossy, bool act_order, double dampening_frac,
                                  bool as_it_stands = false) {
  const Problem& p = lossy.problem;
  const size_t n = p.in;
  const std::vector<size_t> order = solving_order(p, act_order);
  const Matrix h = damped_hessian(p, order, dampening_frac);
  Matrix w(p.out * n);
  for (size_t r = 0; r < p.out; ++r) {
    for (size_t i = 0; i < n; ++i) w[r * n + i] = p.weight[r * n + order[i]];
  }
  const Matrix source = w;
  std::vector<float> result(p.out * n);
  for (size_t i = 0; i < n; ++i) {
    const size_t left = n - i - 1;
    Matrix rest(left * left);
    for (size_t a = 0; a < left; ++a) {
      for (size_t b = 0; b < left; ++b) rest[a * left + b] = h[(i + 1 + a) * n + i + 1 + b];
    }
    const Matrix inverse = inverse_of(rest, left);
    for (size_t r = 0; r < p.out; ++r) {
      const float q = rounded(p, r, order[i], w[r * n + i]);
      result[r * n + order[i]] = q;
      // Minimise ‖δ·X_F − e·X_i − s·(X̃_i − X_i)‖² over δ.
      const double e = w[r * n + i] - q, s = as_it_stands ? w[r * n + i] : source[r * n + i];
      std::vector<double> target(left);
      for (size_t b = 0; b < left; ++b)
        target[b] = e * h[i * n + i + 1 + b] + s * lossy.cross[order[i] * n + order[i + 1 + b]];
      for (size_t a = 0; a < left; ++a) {
        for (size_t b = 0; b < left; ++b) w[r * n + i + 1 + a] += target[b] * inverse[b * left + a];
      }
    }
  }
  return result;
}

class AsymmetricShiftTest : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<Backend> backend =
      GetParam() ? make_cpu_backend(MatmulPrecision::kF32, 2) : make_guarded_backend();

  GptqResult run(const LossyProblem& lossy, ColumnOrder order, bool asymmetric) {
    const Problem& p = lossy.problem;
    const auto factor = factor_hessian(*backend, put(*backend, p.hessian, p.in, p.in), order, 0.01);
    EXPECT_TRUE(factor.has_value());
    const DeviceTensor weight = put(*backend, p.weight, p.out, p.in);
    if (!asymmetric) return gptq_quantize(*backend, weight, *factor, p.scales);
    const DeviceTensor shift = asymmetric_shift(*backend, *factor, put(*backend, lossy.cross, p.in, p.in));
    const DeviceTensor shifted = put(*backend, p.weight, p.out, p.in);
    backend->gemm(1, weight, false, shift, false, 1, shifted);
    return gptq_quantize(*backend, shifted, *factor, p.scales);
  }
};

TEST_P(AsymmetricShiftTest, LosesAsLittleAsTheTextbook) {
  for (const bool act_order : {false, true}) {
    const ColumnOrder order = act_order ? ColumnOrder::kDescending : ColumnOrder::kNatural;
    const LossyProblem lossy = make_lossy(24, 72, 3);
    const double got = objective(lossy, get(*backend, run(lossy, order, true).weight));
    EXPECT_NEAR(got / objective(lossy, textbook_gptaq(lossy, act_order, 0.01)), 1, 1e-4) << act_order;
    EXPECT_LT(got, 0.5 * objective(lossy, get(*backend, run(lossy, order, false).weight))) << act_order;
  }
}

// What asymmetric_shift.h says of the paper's listing.
TEST_P(AsymmetricShiftTest, TheSourcesColumnsLeaveLessThanThoseAsTheyStand) {
  double source = 0, as_it_stands = 0;
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    const LossyProblem lossy = make_lossy(16, 40, seed);
    source += objective(lossy, get(*backend, run(lossy, ColumnOrder::kDescending, true).weight));
    as_it_stands += objective(lossy, textbook_gptaq(lossy, true, 0.01, true));
  }
  EXPECT_LT(source, as_it_stands);
}

TEST_P(AsymmetricShiftTest, NothingLostIsPlainGptq) {
  LossyProblem lossy = make_lossy(12, 48, 4);
  std::ranges::fill(lossy.cross, 0.0f);
  const GptqResult asymmetric = run(lossy, ColumnOrder::kDescending, true),
                   plain = run(lossy, ColumnOrder::kDescending, false);
  EXPECT_EQ(asymmetric.codes, plain.codes);
  EXPECT_EQ(get(*backend, asymmetric.weight), get(*backend, plain.weight));
}

// Tiles, their rests, and a single column, which nothing can make up for.
TEST_P(AsymmetricShiftTest, TakesAnyShape) {
  for (const size_t in : {size_t{1}, size_t{33}, size_t{256}, size_t{300}}) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    std::vector<float> x(2 * in * in), h(in * in, 0.0f), cross(in * in);
    for (float& v : x) v = normal(random);
    for (float& v : cross) v = 0.1f * normal(random);
    for (size_t t = 0; t < 2 * in; ++t) {
      for (size_t i = 0; i < in; ++i) {
        for (size_t j = 0; j < in; ++j) h[i * in + j] += x[t * in + i] * x[t * in + j];
      }
    }
    const auto factor = factor_hessian(*backend, put(*backend, h, in, in), ColumnOrder::kDescending, 0.01);
    ASSERT_TRUE(factor);
    const auto shift = get(*backend, asymmetric_shift(*backend, *factor, put(*backend, cross, in, in)));
    // Row i · (H + damping) is row i of the cross product, at the columns that are solved after i.
    std::vector<size_t> place(in);
    for (size_t p = 0; p < in; ++p) place[static_cast<size_t>(factor->order[p])] = p;
    for (const size_t i : {size_t{0}, in / 2, in - 1}) {
      for (size_t j = 0; j < in; ++j) {
        if (place[j] >= place[i]) {
          EXPECT_EQ(shift[i * in + j], 0) << in;
          continue;
        }
        double sum = 0;
        for (size_t k = 0; k < in; ++k)
          sum += double{shift[i * in + k]} * (h[k * in + j] + (k == j ? factor->damping[j] : 0.0f));
        ASSERT_NEAR(sum, cross[i * in + j], 1e-4) << in;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, AsymmetricShiftTest, ::testing::Bool(),
                         [](const auto& param_info) { return param_info.param ? "cpu" : "guarded"; });

}  // namespace
}  // namespace tersor
