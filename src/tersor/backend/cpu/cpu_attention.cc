// Blocked attention with an online softmax (Dao et al. 2022, arXiv 2205.14135): memory does not grow with the
// square of the sequence. Many queries in f32 go through kernels of our own, a step of decoding through
// OpenBLAS.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <cblas.h>

#include "tersor/backend/cpu/attention_kernels.h"
#include "tersor/backend/cpu/cpu_attention_bf16.h"
#include "tersor/backend/cpu/cpu_backend.h"
#include "tersor/backend/operation_shapes.h"
#include "tersor/base/checked_math.h"

namespace tersor {
namespace {

// Fewer queries do not pay for packing the keys, and leave lanes of a vector idle.
constexpr size_t kBf16Queries = 16;
constexpr size_t kManyQueries = 32;

// Few queries: through OpenBLAS.
struct Scratch {
  std::vector<float> scores = std::vector<float>(kManyQueries * kAttentionKeys);
  std::vector<float> largest = std::vector<float>(kManyQueries);
  std::vector<float> total = std::vector<float>(kManyQueries);
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
                count(kAttentionKeys));
    float* to = out.data<float>() + r0 * out.cols + h * args.value_dim;
    for (size_t i = 0; i < nr; ++i) {
      float* row = s.scores.data() + i * kAttentionKeys;
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
                s.scores.data(), count(kAttentionKeys),
                v.data<float>() + t0 * v.cols + h / share * args.value_dim, width(v), 1.0f, to, width(out));
  }

  void run(size_t h, size_t r0, size_t nr, Scratch& s) const {
    std::fill(s.largest.begin(), s.largest.end(), std::numeric_limits<float>::lowest());
    std::fill(s.total.begin(), s.total.end(), 0.0f);
    float* to = out.data<float>() + r0 * out.cols + h * args.value_dim;
    for (size_t i = 0; i < nr; ++i) std::fill_n(to + i * out.cols, args.value_dim, 0.0f);
    const size_t end = last(r0 + nr - 1);
    for (size_t t = first(r0); t < end; t += kAttentionKeys)
      add_keys(h, r0, nr, t, std::min(kAttentionKeys, end - t), s);
    for (size_t i = 0; i < nr; ++i) {
      rows.scale_add(0, to + i * out.cols, args.value_dim, 1.0f / s.total[i], to + i * out.cols);
    }
  }
};

// Many queries of a head, a block of keys at a time.
class ManyQueries {
 public:
  ManyQueries(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k, const DeviceTensor& v,
              const DeviceTensor& out)
      : args_(args), q_(q), k_(k), v_(v), out_(out), panel_(args.head_dim * kAttentionQueries) {
    if (args.value_dim % kValueWidth != 0) values_.resize(kAttentionKeys * value_stride());
  }

  // Query rows [r0, r0 + nr) of head h, nr up to kAttentionQueries.
  void run(size_t h, size_t r0, size_t nr) {
    pack_queries(h, r0, nr);
    const size_t kv = h / (args_.heads / args_.kv_heads), last = k_.rows - q_.rows + r0 + 1;
    const size_t end = last + nr - 1, before = args_.window > 0 ? last - std::min(last, args_.window) : 0;
    // Blocks begin where they do for every query.
    const size_t begin = before / kAttentionKeys * kAttentionKeys;
    float* out = out_.data<float>() + r0 * out_.cols + h * args_.value_dim;
    for (size_t t = begin; t < end; t += kAttentionKeys) {
      const size_t count = std::min(kAttentionKeys, end - t);
      const float* values = v_.data<float>() + t * v_.cols + kv * args_.value_dim;
      cpu_attention_kernels().add_keys({
          .queries = panel_.data(),
          .query_count = nr,
          .keys = k_.data<float>() + t * k_.cols + kv * args_.head_dim,
          .key_stride = k_.cols,
          .values = values_.empty() ? values : padded(values, count),
          .value_stride = values_.empty() ? v_.cols : value_stride(),
          .count = count,
          .head_dim = args_.head_dim,
          .value_dim = args_.value_dim,
          .seen = static_cast<ptrdiff_t>(last) - static_cast<ptrdiff_t>(t),
          .window = args_.window,
          .first = t == begin,
          .soft_cap = args_.soft_cap,
          .scores = scores_.data(),
          .largest = largest_.data(),
          .total = total_.data(),
          .out = out,
          .out_stride = out_.cols,
      });
    }
    for (size_t i = 0; i < nr; ++i) {
      const float factor = 1.0f / total_[i];
      for (size_t c = 0; c < args_.value_dim; ++c) out[i * out_.cols + c] *= factor;
    }
  }

 private:
  size_t value_stride() const { return round_up(args_.value_dim, kValueWidth); }

  void pack_queries(size_t h, size_t r0, size_t nr) {
    if (nr < kAttentionQueries) std::fill(panel_.begin(), panel_.end(), 0.0f);
    for (size_t i = 0; i < nr; ++i) {
      const float* query = q_.data<float>() + (r0 + i) * q_.cols + h * args_.head_dim;
      for (size_t c = 0; c < args_.head_dim; ++c) panel_[c * kAttentionQueries + i] = query[c] * args_.scale;
    }
  }

  const float* padded(const float* values, size_t count) {
    for (size_t t = 0; t < count; ++t)
      std::copy_n(values + t * v_.cols, args_.value_dim, values_.data() + t * value_stride());
    return values_.data();
  }

  const AttentionArgs& args_;
  const DeviceTensor& q_;
  const DeviceTensor& k_;
  const DeviceTensor& v_;
  const DeviceTensor& out_;
  std::vector<float> panel_, values_;
  std::vector<float> scores_ = std::vector<float>(kAttentionKeys * kAttentionQueries);
  std::vector<float> largest_ = std::vector<float>(kAttentionQueries);
  std::vector<float> total_ = std::vector<float>(kAttentionQueries);
};

}  // namespace

void CpuBackend::attention(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k,
                           const DeviceTensor& v, const DeviceTensor& out) {
  require_attention_shapes(args, q, k, v, out);
  // A step of decoding is bound by reading keys and values, which packing them only adds to.
  if (bf16_ && q.rows >= kBf16Queries && cpu_has_bf16_attention()) {
    return attention_in_bf16(args, q, k, v, out, threads_, rows_.soft_cap);
  }
  const bool many = q.rows >= kManyQueries;
  const size_t blocks = ceil_div(q.rows, kAttentionQueries);
  // A step of decoding over a short context is done before a second thread has begun.
  const bool large = args.heads * q.rows * k.rows > 4096;
  // f(head, first query row, rows), the blocks that see most keys first; `make` makes a thread's f.
  const auto each_block = [&](auto&& make) {
#pragma omp parallel num_threads(threads_) if (large)
    {
      auto f = make();
#pragma omp for schedule(dynamic)
      for (size_t task = 0; task < args.heads * blocks; ++task) {
        const size_t begin = (blocks - 1 - task / args.heads) * kAttentionQueries;
        f(task % args.heads, begin, std::min(kAttentionQueries, q.rows - begin));
      }
    }
  };
  if (many) {
    each_block([&] {
      return [queries = ManyQueries(args, q, k, v, out)](size_t h, size_t r0, size_t nr) mutable {
        queries.run(h, r0, nr);
      };
    });
  } else {
    const Problem problem{args, q, k, v, out, rows_, args.heads / args.kv_heads};
    each_block([&] {
      return [&problem, scratch = Scratch()](size_t h, size_t r0, size_t nr) mutable {
        problem.run(h, r0, nr, scratch);
      };
    });
  }
}

}  // namespace tersor
