// Blocked attention with an online softmax (Dao et al. 2022, arXiv 2205.14135): memory does not grow with the
// square of the sequence.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <cblas.h>

#include "tersor/backend/cpu/cpu_attention_bf16.h"
#include "tersor/backend/cpu/cpu_backend.h"
#include "tersor/backend/operation_shapes.h"

namespace tersor {
namespace {

// A block of scores, [queries, keys] f32, is 64 kB: it stays in L2 with the keys and values it came from.
constexpr size_t kQueryBlock = 64;
constexpr size_t kKeyBlock = 256;
// Fewer queries do not pay for packing the keys.
constexpr size_t kBf16Rows = 16;

struct Scratch {
  std::vector<float> scores = std::vector<float>(kQueryBlock * kKeyBlock);
  std::vector<float> largest = std::vector<float>(kQueryBlock);
  std::vector<float> total = std::vector<float>(kQueryBlock);
};

struct Problem {
  const AttentionArgs& args;
  const DeviceTensor& q;
  const DeviceTensor& k;
  const DeviceTensor& v;
  const DeviceTensor& out;
  const RowKernels& rows;
  size_t share = 1;  // query heads per key/value head

  // Positions [first, last) that query row r sees.
  size_t last(size_t r) const { return k.rows - q.rows + r + 1; }
  size_t first(size_t r) const {
    return args.window > 0 && last(r) > args.window ? last(r) - args.window : 0;
  }

  // Adds the block of keys [t0, t0 + nt) to the sums of query rows [r0, r0 + nr) of head h.
  void add_keys(size_t h, size_t r0, size_t nr, size_t t0, size_t nt, Scratch& s) const {
    const auto width = [](const DeviceTensor& x) { return static_cast<int>(x.cols); };
    const auto count = [](size_t n) { return static_cast<int>(n); };
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count(nr), count(nt), count(args.head_dim),
                args.scale, q.data<float>() + r0 * q.cols + h * args.head_dim, width(q),
                k.data<float>() + t0 * k.cols + h / share * args.head_dim, width(k), 0.0f, s.scores.data(),
                count(kKeyBlock));
    float* to = out.data<float>() + r0 * out.cols + h * args.value_dim;
    for (size_t i = 0; i < nr; ++i) {
      float* row = s.scores.data() + i * kKeyBlock;
      const size_t begin = std::clamp(first(r0 + i), t0, t0 + nt) - t0;
      const size_t end = std::clamp(last(r0 + i), t0, t0 + nt) - t0;
      std::fill(row, row + begin, 0.0f);
      std::fill(row + std::max(begin, end), row + nt, 0.0f);
      if (begin >= end) continue;
      if (args.soft_cap > 0) rows.soft_cap(args.soft_cap, row + begin, end - begin, row + begin);
      const float largest = std::max(s.largest[i], rows.largest(row + begin, end - begin));
      const float sum = rows.exp_minus(row + begin, end - begin, largest, row + begin);
      if (largest > s.largest[i]) {
        const float shrink = std::exp(s.largest[i] - largest);
        s.total[i] *= shrink;
        rows.scale_add(0, to + i * out.cols, args.value_dim, shrink, to + i * out.cols);
        s.largest[i] = largest;
      }
      s.total[i] += sum;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count(nr), count(args.value_dim), count(nt), 1.0f,
                s.scores.data(), count(kKeyBlock), v.data<float>() + t0 * v.cols + h / share * args.value_dim,
                width(v), 1.0f, to, width(out));
  }

  void run(size_t h, size_t r0, size_t nr, Scratch& s) const {
    std::fill(s.largest.begin(), s.largest.end(), std::numeric_limits<float>::lowest());
    std::fill(s.total.begin(), s.total.end(), 0.0f);
    float* to = out.data<float>() + r0 * out.cols + h * args.value_dim;
    for (size_t i = 0; i < nr; ++i) std::fill_n(to + i * out.cols, args.value_dim, 0.0f);
    const size_t end = last(r0 + nr - 1);
    for (size_t t = first(r0); t < end; t += kKeyBlock)
      add_keys(h, r0, nr, t, std::min(kKeyBlock, end - t), s);
    for (size_t i = 0; i < nr; ++i) {
      rows.scale_add(0, to + i * out.cols, args.value_dim, 1.0f / s.total[i], to + i * out.cols);
    }
  }
};

}  // namespace

void CpuBackend::attention(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k,
                           const DeviceTensor& v, const DeviceTensor& out) {
  require_attention_shapes(args, q, k, v, out);
  // A step of decoding is bound by reading keys and values, which packing them only adds to.
  if (bf16_ && q.rows >= kBf16Rows && cpu_has_bf16_attention()) {
    return attention_in_bf16(args, q, k, v, out, threads_, rows_.soft_cap);
  }
  const Problem problem{args, q, k, v, out, rows_, args.heads / args.kv_heads};
  const size_t blocks = (q.rows + kQueryBlock - 1) / kQueryBlock;
  // A step of decoding over a short context is done before a second thread has begun.
  const bool large = args.heads * q.rows * k.rows > 4096;
#pragma omp parallel num_threads(threads_) if (large)
  {
    Scratch scratch;
#pragma omp for collapse(2) schedule(dynamic)
    for (size_t h = 0; h < args.heads; ++h) {
      for (size_t b = 0; b < blocks; ++b) {
        const size_t begin = b * kQueryBlock;
        problem.run(h, begin, std::min(kQueryBlock, q.rows - begin), scratch);
      }
    }
  }
}

}  // namespace tersor
