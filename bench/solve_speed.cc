// Speed of GPTQ's solve of one linear against the machine's own rate, in one run.
//
//   solve_speed [OUT IN] [THREADS]
//
// Counted: the Cholesky factor (in³/3), its triangular inverse (in³/3) and the lazy updates (out · in²); what
// is not counted is what the share loses: columns inside a block, transposing, reordering. int4 in groups of
// 128, columns in descending order, as `--method gptq --scheme W4A16` does.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

#include "rates.h"

#include "tersor/modifiers/gptq/gptq_quantize.h"

namespace tersor {
namespace {

constexpr size_t kGroup = 128, kTokens = 2048;

// Of inputs that have nothing to do with each other: what they are does not change the time.
DeviceTensor random_hessian(Backend& backend, size_t in) {
  const DeviceTensor x = random_matrix(backend, kTokens, in, 1, 1), h = backend.allocate(DType::kF32, in, in);
  backend.gemm(2.0f / kTokens, x, true, x, false, 0, h);
  return h;
}

ColumnScales scales_of(size_t out, size_t in, float largest) {
  const size_t groups = (in + kGroup - 1) / kGroup;
  ColumnScales scales{.spec = {CodeKind::kInt, 4}, .scales = {}, .zero_points = {}, .column_groups = {}};
  scales.scales.assign(groups * out, largest / 7);
  for (size_t c = 0; c < in; ++c) scales.column_groups.push_back(static_cast<int32_t>(c / kGroup));
  return scales;
}

int run(int argc, char** argv) {
  const auto number = [&](int at, size_t otherwise) {
    return argc > at ? std::strtoul(argv[at], nullptr, 10) : otherwise;
  };
  const size_t out = number(1, 4096), in = number(2, 4096), threads = number(3, 0);
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, threads);
  std::printf("%s\n", backend->describe().c_str());
  const double rate = gemm_rate(*backend);
  const StoredHessian hessian = random_hessian(*backend, in);
  const DeviceTensor weight = random_matrix(*backend, out, in, 2, 0.02f);
  const ColumnScales scales = scales_of(out, in, 0.06f);

  constexpr int kRounds = 3;
  std::optional<HessianFactor> factor;
  const double factoring = fastest(kRounds, [&] {
    factor.reset();
    factor = factor_hessian(*backend, hessian, ColumnOrder::kDescending, 0.01);
  });
  if (!factor) {
    std::puts("no factor");
    return 1;
  }
  double loss = 0;
  const double solving =
      fastest(kRounds, [&] { loss = gptq_quantize(*backend, weight, *factor, scales).loss; });
  const double measuring = fastest(kRounds, [&] { loss = output_error(*backend, hessian, weight); });
  const auto m = static_cast<double>(out), n = static_cast<double>(in);
  const double factor_work = 2 * n * n * n / 3, solve_work = m * n * n;
  const auto line = [&](const char* what, double work, double seconds) {
    std::printf("%-8s %8.1f GFLOP/s, %.2f s, %.0f %% of gemm\n", what, work / seconds / 1e9, seconds,
                100 * work / seconds / rate);
  };
  std::printf("gemm     %8.1f GFLOP/s\n", rate / 1e9);
  line("factor", factor_work, factoring);
  line("solve", solve_work, solving);
  line("both", factor_work + solve_work, factoring + solving);
  line("error", solve_work, measuring);
  return std::isfinite(loss) ? 0 : 1;
}

}  // namespace
}  // namespace tersor

int main(int argc, char** argv) { return tersor::run(argc, argv); }
