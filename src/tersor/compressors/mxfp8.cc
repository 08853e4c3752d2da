// mxfp8-quantized: e4m3 codes in groups of 32 columns that share a power of two.
//
//   weight        F8_E4M3 [out, in]
//   weight_scale  U8 [out, in / 32], E8M0: the exponent e of the scale 2^(e - 127)
#include "tersor/compressors/weight_format.h"

namespace tersor {
namespace {

DType codes_dtype(const QuantizationArgs&) { return DType::kF8E4M3; }
uint64_t codes_columns(const QuantizationArgs&, uint64_t in) { return in; }

}  // namespace

const WeightFormat& mxfp8_format() {
  static constexpr WeightFormat kFormat = {
      .codes_suffix = "weight", .codes_dtype = codes_dtype, .codes_columns = codes_columns};
  return kFormat;
}

}  // namespace tersor
