// The CPU back end: oneDNN multiplies by weights (but by bf16 ones in f32, which Highway does), OpenBLAS the
// other matrices, Highway does the rows.
//
// Everything runs on OpenMP's threads, which both libraries use: a second pool beside it would only contend
// for the same cores while OpenMP's threads spin. What is not overridden here (routing, gathers, factor-sized
// loops) is the reference's.
#pragma once

#include "tersor/backend/cpu/row_kernels.h"
#include "tersor/backend/reference/reference_backend.h"

namespace tersor {

class CpuBackend : public ReferenceBackend {
 public:
  // `bf16`: weights and the activations that meet them are multiplied in bf16, summed in f32. Else weights of
  // bf16 are kept as they are and multiplied in f32.
  CpuBackend(bool bf16, size_t threads);

  std::string describe() const override;

  void convert(const DeviceTensor& from, const DeviceTensor& to) override;

  std::shared_ptr<const PackedWeight> pack(const DeviceTensor& weight) override;
  void matmul(const DeviceTensor& x, const PackedWeight& w, const DeviceTensor& bias,
              const DeviceTensor& y) override;
  void gemm(float alpha, const DeviceTensor& a, bool transpose_a, const DeviceTensor& b, bool transpose_b,
            float beta, const DeviceTensor& c) override;
  void syrk(float alpha, const DeviceTensor& x, float beta, const DeviceTensor& h) override;
  bool cholesky(const DeviceTensor& a) override;
  void invert_lower(const DeviceTensor& a) override;
  void transpose(const DeviceTensor& x, const DeviceTensor& y) override;

  void add_squares(const DeviceTensor& x, const DeviceTensor& s) override;
  void add_products(const DeviceTensor& x, const DeviceTensor& y, const DeviceTensor& s) override;
  void row_ranges(const DeviceTensor& x, const DeviceTensor& y) override;
  void solve_columns(const CodeSpec& spec, const DeviceTensor& factor, const DeviceTensor& scales,
                     const DeviceTensor& zero_points, const DeviceTensor& group, const DeviceTensor& w,
                     const DeviceTensor& codes, const DeviceTensor& errors) override;

  void norm(const NormArgs& args, const DeviceTensor& x, const DeviceTensor& weight, const DeviceTensor& bias,
            const DeviceTensor& y) override;
  void rotary(const RotaryArgs& args, const DeviceTensor& cos, const DeviceTensor& sin,
              const DeviceTensor& x) override;
  void attention(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k,
                 const DeviceTensor& v, const DeviceTensor& out) override;
  void softmax(const DeviceTensor& x, const DeviceTensor& y) override;
  void fold_softmax(const DeviceTensor& x, size_t first_column, const DeviceTensor& other,
                    const DeviceTensor& targets, const DeviceTensor& state) override;
  void activate(Activation activation, const DeviceTensor& x, const DeviceTensor& y) override;
  void gated(Activation activation, const DeviceTensor& gate, const DeviceTensor& up,
             const DeviceTensor& y) override;
  void add(const DeviceTensor& a, float factor, const DeviceTensor& b, const DeviceTensor& y) override;
  void soft_cap(float cap, const DeviceTensor& x, const DeviceTensor& y) override;
  void fake_quantize(const ActivationQuantArgs& args, const DeviceTensor& x, const DeviceTensor& y) override;

 private:
  void multiply_onednn(const DeviceTensor& x, const PackedWeight& w, const DeviceTensor& y);
  void gram_f32(float alpha, const DeviceTensor& x, float beta, const DeviceTensor& h);
  void gram_bf16(float alpha, const DeviceTensor& x, float beta, const DeviceTensor& h);
  void mirror_upper(const DeviceTensor& h);

  const bool bf16_;
  const int threads_;
  const RowKernels& rows_;
};

// Whether this CPU multiplies bf16 (AVX512-BF16 or AMX), and the name of what it has: "AVX512-BF16", "AVX2".
bool cpu_has_bf16_matmul();
std::string cpu_matmul_isa();

}  // namespace tersor
