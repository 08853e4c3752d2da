// Products with weights. Through oneDNN, a weight is reordered once into the layout its kernel wants; a bf16
// weight in f32 products keeps its dtype (cpu_bf16_weight.h).
#include <cstdlib>
#include <map>
#include <mutex>

#include <dnnl.hpp>
#include <fmt/format.h>

#include "tersor/backend/cpu/cpu_backend.h"
#include "tersor/backend/cpu/cpu_bf16_weight.h"
#include "tersor/backend/cpu/onednn_engine.h"
#include "tersor/backend/operation_shapes.h"
#include "tersor/base/error.h"
#include "tersor/tensor/matrix_view.h"

namespace tersor {
namespace {

using dnnl::memory;

// The layout is chosen for this many rows of x: a prefill's.
constexpr memory::dim kTypicalRows = 256;

memory::desc plain(memory::dim rows, memory::dim cols, memory::data_type type) {
  return {{rows, cols}, type, memory::format_tag::ab};
}

class OnednnWeight : public PackedWeight {
 public:
  memory weight;
  memory::data_type type{};
  // Primitives by rows of x; few counts occur.
  mutable std::map<memory::dim, dnnl::matmul> primitives;

  dnnl::matmul::primitive_desc describe(memory::dim rows, const memory::desc& weights) const {
    const auto k = static_cast<memory::dim>(in), n = static_cast<memory::dim>(out);
    return {{plain(rows, k, type), weights, plain(rows, n, memory::data_type::f32)}, engine()};
  }
};

// Values in bf16, as they are stored or rounded.
std::vector<uint16_t> to_bf16(const DeviceTensor& x, const RowKernels& rows) {
  std::vector<uint16_t> bits(x.size());
  visit_weight({x.data<std::byte>(), x.dtype, x.rows, x.cols}, [&](const auto& view) {
    using T = std::remove_cvref_t<decltype(*view.data)>;
    if constexpr (std::is_same_v<T, float>) {
      rows.to_bf16(view.data, bits.size(), bits.data());
    } else {
      for (size_t i = 0; i < bits.size(); ++i) bits[i] = bfloat16_from(to_float(view.data[i])).bits;
    }
  });
  return bits;
}

std::vector<float> to_f32(const DeviceTensor& x) {
  std::vector<float> values(x.size());
  visit_weight({x.data<std::byte>(), x.dtype, x.rows, x.cols}, [&](const auto& view) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = to_float(view.data[i]);
  });
  return values;
}

}  // namespace

bool cpu_has_bf16_matmul() {
  // Each set of instructions has one bit of its own beside those of the sets below it.
  const auto has = [](dnnl::cpu_isa isa) {
    const auto effective = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    return (effective & static_cast<unsigned>(isa)) == static_cast<unsigned>(isa);
  };
  return has(dnnl::cpu_isa::avx512_core_bf16);
}

std::string cpu_matmul_isa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx:
      return "AMX";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX512-BF16";
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512 without BF16";
    case dnnl::cpu_isa::avx2_vnni:
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    default:
      return cpu_has_bf16_matmul() ? "AVX512-BF16 or newer" : "no AVX2";
  }
}

std::shared_ptr<const PackedWeight> CpuBackend::pack(const DeviceTensor& weight) {
  require_shapes(is_weight_dtype(weight.dtype), "pack: weight dtype");
  if (!bf16_ && weight.dtype == DType::kBF16) return keep_bf16(weight, threads_);
  auto packed = std::make_shared<OnednnWeight>();
  packed->out = weight.rows;
  packed->in = weight.cols;
  packed->type = bf16_ ? memory::data_type::bf16 : memory::data_type::f32;
  const auto k = static_cast<memory::dim>(packed->in), n = static_cast<memory::dim>(packed->out);
  // oneDNN wants [in, out]; ours is its transpose.
  const memory::desc stored({k, n}, packed->type, memory::format_tag::ba);
  const memory::desc wanted =
      packed->describe(kTypicalRows, memory::desc({k, n}, packed->type, memory::format_tag::any))
          .weights_desc();
  packed->weight = memory(wanted, engine());
  packed->bytes = wanted.get_size();
  dnnl::stream stream(engine());
  const auto reorder = [&](void* data) {
    memory source(stored, engine(), data);
    dnnl::reorder(source, packed->weight).execute(stream, source, packed->weight);
    stream.wait();
  };
  if (weight.dtype == (bf16_ ? DType::kBF16 : DType::kF32)) {
    reorder(weight.data<void>());  // read from where it is
  } else if (bf16_) {
    auto bits = to_bf16(weight, rows_);
    reorder(bits.data());
  } else {
    auto values = to_f32(weight);
    reorder(values.data());
  }
  return packed;
}

void CpuBackend::matmul(const DeviceTensor& x, const PackedWeight& w, const DeviceTensor& bias,
                        const DeviceTensor& y) {
  require_matmul_shapes(x, w, bias, y);
  if (x.rows == 0) return;
  if (const auto* kept = dynamic_cast<const Bf16Weight*>(&w)) {
    multiply_bf16_weight(*this, x, *kept, threads_, y);
  } else {
    multiply_onednn(x, w, y);
  }
  if (!bias) return;
  for (size_t r = 0; r < y.rows; ++r)
    rows_.scale_add(1, bias.data<float>(), y.cols, 1, y.data<float>() + r * y.cols);
}

void CpuBackend::multiply_onednn(const DeviceTensor& x, const PackedWeight& w, const DeviceTensor& y) {
  const auto& weight = static_cast<const OnednnWeight&>(w);
  const auto m = static_cast<memory::dim>(x.rows);
  auto found = weight.primitives.find(m);
  if (found == weight.primitives.end()) {
    if (weight.primitives.size() >= 16) weight.primitives.clear();
    found = weight.primitives.emplace(m, dnnl::matmul(weight.describe(m, weight.weight.get_desc()))).first;
  }
  DeviceTensor source = x;
  if (bf16_) {
    source = allocate(DType::kBF16, x.rows, x.cols);
#pragma omp parallel for num_threads(threads_) if (x.size() > 16384)
    for (size_t r = 0; r < x.rows; ++r) {
      rows_.to_bf16(x.data<float>() + r * x.cols, x.cols, source.data<uint16_t>() + r * x.cols);
    }
  }
  dnnl::stream stream(engine());
  const auto k = static_cast<memory::dim>(w.in), n = static_cast<memory::dim>(w.out);
  found->second.execute(
      stream, {{DNNL_ARG_SRC, memory(plain(m, k, weight.type), engine(), source.data<void>())},
               {DNNL_ARG_WEIGHTS, weight.weight},
               {DNNL_ARG_DST, memory(plain(m, n, memory::data_type::f32), engine(), y.data<void>())}});
  stream.wait();
}

}  // namespace tersor
