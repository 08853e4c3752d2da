// The reference back end: every operation in plain loops, sums in double. Slow, and what the others are held
// against.
#pragma once

#include "tersor/backend/host_memory.h"

namespace tersor {

class ReferenceBackend : public HostMemoryBackend {
 public:
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
  void get_diagonal(const DeviceTensor& a, const DeviceTensor& d) override;
  void set_diagonal(const DeviceTensor& a, const DeviceTensor& d) override;

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
  void multiply(const DeviceTensor& a, const DeviceTensor& b, const DeviceTensor& y) override;
  void scale(float factor, const DeviceTensor& x, const DeviceTensor& y) override;
  void soft_cap(float cap, const DeviceTensor& x, const DeviceTensor& y) override;
  void sigmoid_scale_rows(const DeviceTensor& gate, const DeviceTensor& x) override;
  void embed(const DeviceTensor& table, const DeviceTensor& ids, const DeviceTensor& y) override;
  void fake_quantize(const ActivationQuantArgs& args, const DeviceTensor& x, const DeviceTensor& y) override;

  void route(const RouteArgs& args, const DeviceTensor& logits, const DeviceTensor& bias,
             const DeviceTensor& experts, const DeviceTensor& weights) override;
  void gather_rows(const DeviceTensor& x, const DeviceTensor& rows, const DeviceTensor& y) override;
  void scatter_add_rows(const DeviceTensor& x, const DeviceTensor& rows, const DeviceTensor& weights,
                        const DeviceTensor& y) override;
};

// One row of each: shared with back ends that only spread the rows over threads.
void route_row(const RouteArgs& args, const float* logits, const float* bias, size_t experts, int32_t* chosen,
               float* weights);
void fake_quantize_row(const ActivationQuantArgs& args, const float* x, size_t cols, float* y);
double activation_value(Activation activation, double x);

}  // namespace tersor
