// naive-quantized, int-quantized, float-quantized: one byte per weight, below 8 bits as well.
//
//   weight             I8 (signed codes, no offset) or F8_E4M3 [out, in]
//   weight_scale       the weight's dtype, [1], [out, 1], [out, in / g] or [ceil(out / bh), ceil(in / bw)]
//   weight_zero_point  I8, shaped as the scales; asymmetric only
#include "tersor/compressors/weight_format.h"

namespace tersor {
namespace {

DType codes_dtype(const QuantizationArgs& args) {
  return args.type == QuantizationType::kInt ? DType::kI8 : DType::kF8E4M3;
}
uint64_t codes_columns(const QuantizationArgs&, uint64_t in) { return in; }

}  // namespace

const WeightFormat& naive_quantized_format() {
  static constexpr WeightFormat kFormat = {
      .codes_suffix = "weight", .codes_dtype = codes_dtype, .codes_columns = codes_columns};
  return kFormat;
}

}  // namespace tersor
