// What a device can do: the operations that models, modifiers and pipelines are written in.
//
// Tensors live on the device; nothing above this folder touches their elements but through copy_in and
// copy_out. Activations are f32 [tokens, width], row-major. Every output is allocated by the caller and is
// overwritten; unless it is said otherwise an output may be the same tensor as an input of the same shape.
// Operations run in the order of their calls. A back end may be used from one thread at a time.
//
// Shapes are the caller's to get right: a mismatch is a bug and throws std::logic_error.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tersor/backend/device_tensor.h"
#include "tersor/backend/quantize_kernels.h"

namespace tersor {

// A weight [out, in] in the layout that the device multiplies by.
class PackedWeight {
 public:
  virtual ~PackedWeight() = default;
  size_t out = 0;
  size_t in = 0;
  size_t bytes = 0;  // on the device
};

enum class Activation { kSilu, kGelu, kGeluTanh, kRelu, kRelu2 };

struct NormArgs {
  bool layer_norm = false;  // subtract the mean (LayerNorm); false: RMSNorm
  bool offset_one = false;  // multiply by 1 + weight (Gemma)
  float epsilon = 1e-5f;
};

// Rotates dimensions [first_dim, first_dim + rotary_dim) of every head. Pairs are (2i, 2i + 1) when
// interleaved, else (i, i + rotary_dim / 2).
struct RotaryArgs {
  size_t heads = 1;
  size_t head_dim = 0;
  size_t first_dim = 0;
  size_t rotary_dim = 0;
  bool interleaved = false;
  size_t first_position = 0;  // of row 0
};

// Causal attention of one sequence; the last query is the last key's position. Query head h reads key/value
// head h / (heads / kv_heads).
struct AttentionArgs {
  size_t heads = 1;
  size_t kv_heads = 1;
  size_t head_dim = 0;   // of queries and keys
  size_t value_dim = 0;  // of values
  float scale = 1;       // of the scores
  float soft_cap = 0;    // c·tanh(score / c); 0: none
  size_t window = 0;     // a query sees this many positions, its own included; 0: all before it
};

// Quantize-dequantize of activations, as an engine does it while it runs.
struct ActivationQuantArgs {
  enum class Kind { kInt, kFloat8, kFloat4 };
  Kind kind = Kind::kInt;
  int num_bits = 8;
  bool symmetric = true;
  size_t group_size = 0;      // columns that share a scale; 0: the whole row
  bool power_of_two = false;  // MX: the scale is 2^k
  float static_scale = 0;     // > 0: one scale for all, zero point below
  int static_zero_point = 0;
  float global_scale = 0;  // > 0: NVFP4, group scales are e4m3 under this factor
};

// Which experts a token goes to (per row of router logits).
struct RouteArgs {
  size_t top_k = 1;
  bool sigmoid = false;        // scores; false: softmax
  bool softmax_after = false;  // choose by logits, softmax over the chosen ones
  bool renormalize = false;    // chosen weights sum to 1
  float scale = 1;             // of the weights, at the end
  size_t groups = 1;           // experts form groups; only those of the best `top_groups` are candidates
  size_t top_groups = 1;
  size_t group_score_top = 1;  // a group's score: sum of its best 1 or 2 scores
};

// What fold_softmax has gathered over a row of logits so far: a row of its state tensor.
struct SoftmaxSums {
  float largest;     // so far; at first -infinity
  float column;      // of the largest
  float sum;         // Σ exp(x − largest)
  float difference;  // Σ exp(x − largest) · (x − other)
  float target;      // x at the row's target column
};
constexpr size_t kSoftmaxSums = 5;

class Backend {
 public:
  virtual ~Backend() = default;

  // What computes, and in which precision: "cpu: oneDNN bf16 (AVX512-BF16), 2 threads".
  virtual std::string describe() const = 0;

  // --- memory ---
  virtual DeviceTensor allocate(DType dtype, size_t rows, size_t cols) = 0;
  virtual void copy_in(const DeviceTensor& to, const void* from) = 0;
  virtual void copy_out(const DeviceTensor& from, void* to) = 0;
  // to[to_row + r, to_col + c] = from[from_row + r, from_col + c]; same dtype, different memory.
  virtual void copy_block(const DeviceTensor& from, size_t from_row, size_t from_col, size_t rows,
                          size_t cols, const DeviceTensor& to, size_t to_row, size_t to_col) = 0;
  virtual void fill_zero(const DeviceTensor& to) = 0;
  // to = from in the dtype of `to`: f32 → bf16 (rounded to nearest, ties to even) or bf16 → f32. Same shape,
  // different memory.
  virtual void convert(const DeviceTensor& from, const DeviceTensor& to) = 0;

  // --- matrices ---
  // `weight` is bf16, f16 or f32 [out, in]; the result holds what it needs of it.
  virtual std::shared_ptr<const PackedWeight> pack(const DeviceTensor& weight) = 0;
  // y [m, out] = x [m, in] · wᵀ + bias [out] (bias may be empty). y is not x.
  virtual void matmul(const DeviceTensor& x, const PackedWeight& w, const DeviceTensor& bias,
                      const DeviceTensor& y) = 0;
  // c [m, n] = alpha · op(a) · op(b) + beta · c, all f32; op transposes where told. c is neither a nor b.
  virtual void gemm(float alpha, const DeviceTensor& a, bool transpose_a, const DeviceTensor& b,
                    bool transpose_b, float beta, const DeviceTensor& c) = 0;
  // h [n, n] = alpha · xᵀ x + beta · h, x [m, n]; the whole symmetric matrix is written. A back end that
  // multiplies weights in bf16 rounds x to bf16 here too; products and sums are f32.
  virtual void syrk(float alpha, const DeviceTensor& x, float beta, const DeviceTensor& h) = 0;
  // In place a = L·Lᵀ → L (above the diagonal: zeros). False when a is not positive definite (a is then
  // destroyed).
  virtual bool cholesky(const DeviceTensor& a) = 0;
  // In place L → L⁻¹, lower triangular, zeros above.
  virtual void invert_lower(const DeviceTensor& a) = 0;
  // y [cols, rows] = xᵀ of x [rows, cols], f32; y is not x.
  virtual void transpose(const DeviceTensor& x, const DeviceTensor& y) = 0;
  // d [1, n] = the diagonal of a [n, n], and the other way; f32.
  virtual void get_diagonal(const DeviceTensor& a, const DeviceTensor& d) = 0;
  virtual void set_diagonal(const DeviceTensor& a, const DeviceTensor& d) = 0;

  // --- statistics of activations and errors ---
  // s [1, cols] += Σ over rows of x², column by column.
  virtual void add_squares(const DeviceTensor& x, const DeviceTensor& s) = 0;
  // s [1, cols] += Σ over rows of x ∘ y, column by column.
  virtual void add_products(const DeviceTensor& x, const DeviceTensor& y, const DeviceTensor& s) = 0;
  // y [rows, 2]: the smallest and the largest element of each row; NaN in both where a row holds one.
  virtual void row_ranges(const DeviceTensor& x, const DeviceTensor& y) = 0;

  // --- weights ---
  // The inner loop of GPTQ (Frantar et al. 2022, arXiv 2210.17323, Algorithm 1) on a block of `n` columns of
  // a weight, kept transposed: w [n, out]. Columns are solved from the last to the first, `factor` [n, n] is
  // lower triangular: for i = n-1 … 0, for each output row r
  //   codes[i, r] = code of w[i, r] / scale + zero_point,  q = (code - zero_point) · scale,
  //   errors[i, r] = (w[i, r] - q) / factor[i, i],  w[k, r] -= errors[i, r] · factor[i, k] for k < i,
  //   w[i, r] = q.
  // scales, zero_points f32 [groups, out] (zero_points may be empty), group i32 [1, n]: the row of scales of
  // each column. codes i8 [n, out] as QuantizeKernels::quantize_groups makes them, errors f32 [n, out].
  virtual void solve_columns(const CodeSpec& spec, const DeviceTensor& factor, const DeviceTensor& scales,
                             const DeviceTensor& zero_points, const DeviceTensor& group,
                             const DeviceTensor& w, const DeviceTensor& codes,
                             const DeviceTensor& errors) = 0;

  // --- decoder blocks ---
  // Normalizes rows. `weight` and `bias` are f32 [1, cols] or empty.
  virtual void norm(const NormArgs& args, const DeviceTensor& x, const DeviceTensor& weight,
                    const DeviceTensor& bias, const DeviceTensor& y) = 0;
  // In place on x [tokens, heads × head_dim]; `cos` and `sin` are f32 [positions, rotary_dim / 2].
  virtual void rotary(const RotaryArgs& args, const DeviceTensor& cos, const DeviceTensor& sin,
                      const DeviceTensor& x) = 0;
  // q [m, heads × head_dim], k [n, kv_heads × head_dim], v [n, kv_heads × value_dim], n >= m,
  // out [m, heads × value_dim], none of the inputs.
  virtual void attention(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k,
                         const DeviceTensor& v, const DeviceTensor& out) = 0;
  virtual void softmax(const DeviceTensor& x, const DeviceTensor& y) = 0;
  // Folds columns [first_column, first_column + x.cols) of wide rows of logits into `state`, f32 [rows, 5]: a
  // row of vocabulary size is never whole in memory. `other` is another model's logits of the same shape, or
  // empty; `targets` i32 [1, rows] are columns of the wide row.
  virtual void fold_softmax(const DeviceTensor& x, size_t first_column, const DeviceTensor& other,
                            const DeviceTensor& targets, const DeviceTensor& state) = 0;
  virtual void activate(Activation activation, const DeviceTensor& x, const DeviceTensor& y) = 0;
  // y = activation(gate) ∘ up.
  virtual void gated(Activation activation, const DeviceTensor& gate, const DeviceTensor& up,
                     const DeviceTensor& y) = 0;
  // y = a + factor · b.
  virtual void add(const DeviceTensor& a, float factor, const DeviceTensor& b, const DeviceTensor& y) = 0;
  virtual void multiply(const DeviceTensor& a, const DeviceTensor& b, const DeviceTensor& y) = 0;
  virtual void scale(float factor, const DeviceTensor& x, const DeviceTensor& y) = 0;
  // y = cap · tanh(x / cap).
  virtual void soft_cap(float cap, const DeviceTensor& x, const DeviceTensor& y) = 0;
  // x[r, :] *= sigmoid(gate[r]), gate [rows, 1].
  virtual void sigmoid_scale_rows(const DeviceTensor& gate, const DeviceTensor& x) = 0;
  // y[r] = table[ids[r]] as f32; table bf16, f16 or f32 [vocabulary, cols]; ids i32 [1, rows], in range.
  virtual void embed(const DeviceTensor& table, const DeviceTensor& ids, const DeviceTensor& y) = 0;
  // y = dequantize(quantize(x)).
  virtual void fake_quantize(const ActivationQuantArgs& args, const DeviceTensor& x,
                             const DeviceTensor& y) = 0;

  // --- experts ---
  // logits [tokens, experts]; `bias` f32 [1, experts] or empty is added to the scores that choose, not to the
  // weights. experts i32 [tokens, top_k], weights f32 [tokens, top_k].
  virtual void route(const RouteArgs& args, const DeviceTensor& logits, const DeviceTensor& bias,
                     const DeviceTensor& experts, const DeviceTensor& weights) = 0;
  // y[i] = x[rows[i]], rows i32 [1, n]; y is not x.
  virtual void gather_rows(const DeviceTensor& x, const DeviceTensor& rows, const DeviceTensor& y) = 0;
  // y[rows[i]] += weights[i] · x[i]; a row occurs once.
  virtual void scatter_add_rows(const DeviceTensor& x, const DeviceTensor& rows, const DeviceTensor& weights,
                                const DeviceTensor& y) = 0;
};

// Plain loops, sums in double: the oracle. Always there.
std::unique_ptr<Backend> make_reference_backend();

enum class MatmulPrecision {
  kAuto,  // bf16 where the CPU multiplies bf16 (AVX512-BF16, AMX), else f32
  kF32,
  kBF16,  // throws Error(kUsage) where the CPU cannot
};

// The CPU: oneDNN for weights (but our own loops for bf16 ones in f32), OpenBLAS for the other matrices.
// `threads` 0: one per CPU of the process. Sets the thread count of OpenMP, which both libraries use, for the
// calling thread.
std::unique_ptr<Backend> make_cpu_backend(MatmulPrecision precision = MatmulPrecision::kAuto,
                                          size_t threads = 0);

// The same elements in memory of their own.
inline DeviceTensor copy_of(Backend& backend, const DeviceTensor& x) {
  const DeviceTensor copy = backend.allocate(x.dtype, x.rows, x.cols);
  backend.copy_block(x, 0, 0, x.rows, x.cols, copy, 0, 0);
  return copy;
}

// Bytes that a weight takes in this back end where it was stored in `dtype`; 2 at least.
inline uint64_t packed_bytes_per_weight(Backend& backend, DType dtype) {
  constexpr size_t kSide = 64;
  const DeviceTensor sample = backend.allocate(dtype, kSide, kSide);
  backend.fill_zero(sample);
  return std::max<uint64_t>(2, backend.pack(sample)->bytes / (kSide * kSide));
}

// What kAuto goes by: whether the CPU multiplies bf16, and the instructions that matrix products use.
struct CpuMatmul {
  bool bf16 = false;
  std::string isa;
};
CpuMatmul cpu_matmul();

// One line on what kAuto chooses on this machine, and why.
std::string describe_cpu_backend();

}  // namespace tersor
