// Compresses a checkpoint to FP8 through the library: plan, compress, verify.
//
//   compress_folder MODEL OUTPUT
#include <cstdio>

#include "tersor/base/error.h"
#include "tersor/entrypoints/oneshot.h"
#include "tersor/entrypoints/verify.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL OUTPUT\n", argv[0]);
    return 2;
  }
  tersor::CompressionRequest request;
  request.model = argv[1];
  request.scheme = "FP8_DYNAMIC";
  request.ignore = {"lm_head"};

  tersor::OneshotOptions options;
  options.output = argv[2];
  options.planned = [](const tersor::PlanReport& plan) {
    std::printf("%llu bytes will become %llu\n", static_cast<unsigned long long>(plan.source_bytes),
                static_cast<unsigned long long>(plan.output_bytes));
  };
  try {
    const tersor::CompressionSummary summary = tersor::oneshot(request, options);
    std::printf("relative error %.4f in %.2f s\n", summary.relative_error, summary.seconds);
    const tersor::VerifyReport report = tersor::verify(options.output, request.model);
    std::printf("%zu modules verified, %zu failures\n", report.modules.size(), report.failures.size());
    return report.failures.empty() ? 0 : 1;
  } catch (const tersor::Error& e) {
    std::fprintf(stderr, "error: %s\nhelp: %s\n", e.what(), e.help().c_str());
    return static_cast<int>(e.code());
  }
}
