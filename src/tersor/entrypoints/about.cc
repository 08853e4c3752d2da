#include "tersor/entrypoints/about.h"

#include <fmt/format.h>

#include "tersor/backend/backend.h"
#include "tersor/backend/quantize_kernels.h"
#include "tersor/base/version.h"
#include "tersor/parallel/thread_pool.h"

namespace tersor {

AboutReport about() {
  const CpuMatmul matmul = cpu_matmul();
  return {
      .version = version(),
      .cpu = fmt::format("{}, {} usable", matmul.isa, available_cpus()),
      .kernels = cpu_quantize_kernels().name,
      .matmul = matmul.bf16
                    ? "bf16 with f32 sums: this CPU multiplies bf16"
                    : "f32: this CPU does not multiply bf16 (AVX512-BF16 or AMX), and emulation is slower",
      .backend = describe_cpu_backend()};
}

}  // namespace tersor
