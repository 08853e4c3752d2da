// nvfp4-pack-quantized: e2m1 codes in groups of 16 columns; their fp8 scales share one global scale.
//
//   weight_packed        U8 [out, in / 2], two codes a byte
//   weight_scale         F8_E4M3 [out, in / 16], row-major
//   weight_global_scale  F32 [1], a multiplier: a group's scale is weight_scale / weight_global_scale
#include "tersor/compressors/nibbles.h"
#include "tersor/compressors/weight_format.h"

namespace tersor {

const WeightFormat& nvfp4_pack_format() {
  static constexpr WeightFormat kFormat = {.codes_suffix = "weight_packed",
                                           .codes_dtype = nibbles_dtype,
                                           .codes_columns = nibbles_columns,
                                           .encode = encode_nibbles,
                                           .decode = decode_nibbles,
                                           .stores_global_scale = true};
  return kFormat;
}

}  // namespace tersor
