// The reference back end with an address space of its own: outside of its operations its memory cannot be
// touched, as a GPU's could not. Code above backend/ that follows a device address dies in the test.
#pragma once

#include <map>
#include <memory>

#include <sys/mman.h>

#include "tersor/backend/reference/reference_backend.h"

namespace tersor {

class GuardedBackend : public ReferenceBackend {
 public:
  std::string describe() const override { return "guarded " + ReferenceBackend::describe(); }

  DeviceTensor allocate(DType dtype, size_t rows, size_t cols) override {
    DeviceTensor tensor;
    tensor.dtype = dtype;
    tensor.rows = rows;
    tensor.cols = cols;
    const size_t bytes = tensor.bytes() + 1;
    void* address = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) throw std::bad_alloc();
    (*regions_)[address] = bytes;
    const auto release = [regions = regions_](std::byte* p, size_t n) {
      regions->erase(p);
      ::munmap(p, n);
    };
    tensor.buffer = std::make_shared<DeviceBuffer>(static_cast<std::byte*>(address), bytes, release);
    return tensor;
  }

  void copy_in(const DeviceTensor& to, const void* from) override {
    in([&](auto& b) { b.copy_in(to, from); });
  }
  void copy_out(const DeviceTensor& from, void* to) override {
    in([&](auto& b) { b.copy_out(from, to); });
  }
  void copy_block(const DeviceTensor& from, size_t from_row, size_t from_col, size_t rows, size_t cols,
                  const DeviceTensor& to, size_t to_row, size_t to_col) override {
    in([&](auto& b) { b.copy_block(from, from_row, from_col, rows, cols, to, to_row, to_col); });
  }
  void fill_zero(const DeviceTensor& to) override {
    in([&](auto& b) { b.fill_zero(to); });
  }
  void convert(const DeviceTensor& from, const DeviceTensor& to) override {
    in([&](auto& b) { b.convert(from, to); });
  }
  void matmul(const DeviceTensor& x, const PackedWeight& w, const DeviceTensor& bias,
              const DeviceTensor& y) override {
    in([&](auto& b) { b.matmul(x, w, bias, y); });
  }
  void gemm(float alpha, const DeviceTensor& a, bool ta, const DeviceTensor& b, bool tb, float beta,
            const DeviceTensor& c) override {
    in([&](auto& r) { r.gemm(alpha, a, ta, b, tb, beta, c); });
  }
  void syrk(float alpha, const DeviceTensor& x, float beta, const DeviceTensor& h) override {
    in([&](auto& b) { b.syrk(alpha, x, beta, h); });
  }
  bool cholesky(const DeviceTensor& a) override {
    bool done = false;
    in([&](auto& b) { done = b.cholesky(a); });
    return done;
  }
  void invert_lower(const DeviceTensor& a) override {
    in([&](auto& b) { b.invert_lower(a); });
  }
  void transpose(const DeviceTensor& x, const DeviceTensor& y) override {
    in([&](auto& b) { b.transpose(x, y); });
  }
  void get_diagonal(const DeviceTensor& a, const DeviceTensor& d) override {
    in([&](auto& b) { b.get_diagonal(a, d); });
  }
  void set_diagonal(const DeviceTensor& a, const DeviceTensor& d) override {
    in([&](auto& b) { b.set_diagonal(a, d); });
  }
  void add_squares(const DeviceTensor& x, const DeviceTensor& s) override {
    in([&](auto& b) { b.add_squares(x, s); });
  }
  void add_products(const DeviceTensor& x, const DeviceTensor& y, const DeviceTensor& s) override {
    in([&](auto& b) { b.add_products(x, y, s); });
  }
  void row_ranges(const DeviceTensor& x, const DeviceTensor& y) override {
    in([&](auto& b) { b.row_ranges(x, y); });
  }
  void solve_columns(const CodeSpec& spec, const DeviceTensor& factor, const DeviceTensor& scales,
                     const DeviceTensor& zero_points, const DeviceTensor& group, const DeviceTensor& w,
                     const DeviceTensor& codes, const DeviceTensor& errors) override {
    in([&](auto& b) { b.solve_columns(spec, factor, scales, zero_points, group, w, codes, errors); });
  }
  void norm(const NormArgs& args, const DeviceTensor& x, const DeviceTensor& weight, const DeviceTensor& bias,
            const DeviceTensor& y) override {
    in([&](auto& b) { b.norm(args, x, weight, bias, y); });
  }
  void rotary(const RotaryArgs& args, const DeviceTensor& cos, const DeviceTensor& sin,
              const DeviceTensor& x) override {
    in([&](auto& b) { b.rotary(args, cos, sin, x); });
  }
  void attention(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k,
                 const DeviceTensor& v, const DeviceTensor& out) override {
    in([&](auto& b) { b.attention(args, q, k, v, out); });
  }
  void softmax(const DeviceTensor& x, const DeviceTensor& y) override {
    in([&](auto& b) { b.softmax(x, y); });
  }
  void fold_softmax(const DeviceTensor& x, size_t first, const DeviceTensor& other,
                    const DeviceTensor& targets, const DeviceTensor& state) override {
    in([&](auto& b) { b.fold_softmax(x, first, other, targets, state); });
  }
  void activate(Activation a, const DeviceTensor& x, const DeviceTensor& y) override {
    in([&](auto& b) { b.activate(a, x, y); });
  }
  void gated(Activation a, const DeviceTensor& gate, const DeviceTensor& up, const DeviceTensor& y) override {
    in([&](auto& b) { b.gated(a, gate, up, y); });
  }
  void add(const DeviceTensor& a, float factor, const DeviceTensor& c, const DeviceTensor& y) override {
    in([&](auto& b) { b.add(a, factor, c, y); });
  }
  void multiply(const DeviceTensor& a, const DeviceTensor& c, const DeviceTensor& y) override {
    in([&](auto& b) { b.multiply(a, c, y); });
  }
  void scale(float f, const DeviceTensor& x, const DeviceTensor& y) override {
    in([&](auto& b) { b.scale(f, x, y); });
  }
  void soft_cap(float c, const DeviceTensor& x, const DeviceTensor& y) override {
    in([&](auto& b) { b.soft_cap(c, x, y); });
  }
  void sigmoid_scale_rows(const DeviceTensor& gate, const DeviceTensor& x) override {
    in([&](auto& b) { b.sigmoid_scale_rows(gate, x); });
  }
  void embed(const DeviceTensor& table, const DeviceTensor& ids, const DeviceTensor& y) override {
    in([&](auto& b) { b.embed(table, ids, y); });
  }
  void fake_quantize(const ActivationQuantArgs& args, const DeviceTensor& x, const DeviceTensor& y) override {
    in([&](auto& b) { b.fake_quantize(args, x, y); });
  }
  void route(const RouteArgs& args, const DeviceTensor& logits, const DeviceTensor& bias,
             const DeviceTensor& experts, const DeviceTensor& weights) override {
    in([&](auto& b) { b.route(args, logits, bias, experts, weights); });
  }
  void gather_rows(const DeviceTensor& x, const DeviceTensor& rows, const DeviceTensor& y) override {
    in([&](auto& b) { b.gather_rows(x, rows, y); });
  }
  void scatter_add_rows(const DeviceTensor& x, const DeviceTensor& rows, const DeviceTensor& weights,
                        const DeviceTensor& y) override {
    in([&](auto& b) { b.scatter_add_rows(x, rows, weights, y); });
  }

 private:
  // The memory is open while the plain reference runs the operation, and only then.
  template <typename F>
  void in(F&& f) {
    protect(PROT_READ | PROT_WRITE);
    try {
      f(inner_);
    } catch (...) {
      protect(PROT_NONE);
      throw;
    }
    protect(PROT_NONE);
  }
  void protect(int protection) const {
    for (const auto& [address, bytes] : *regions_) ::mprotect(address, bytes, protection);
  }

  std::shared_ptr<std::map<void*, size_t>> regions_ = std::make_shared<std::map<void*, size_t>>();
  ReferenceBackend inner_;
};

inline std::unique_ptr<Backend> make_guarded_backend() { return std::make_unique<GuardedBackend>(); }

}  // namespace tersor
