// mxfp4-pack-quantized: e2m1 codes in groups of 32 columns that share a power of two.
//
//   weight_packed  U8 [out, in / 2], two codes a byte
//   weight_scale   U8 [out, in / 32], E8M0: the exponent e of the scale 2^(e - 127)
#include "tersor/compressors/nibbles.h"
#include "tersor/compressors/weight_format.h"

namespace tersor {

const WeightFormat& mxfp4_pack_format() {
  static constexpr WeightFormat kFormat = {.codes_suffix = "weight_packed",
                                           .codes_dtype = nibbles_dtype,
                                           .codes_columns = nibbles_columns,
                                           .encode = encode_nibbles,
                                           .decode = decode_nibbles};
  return kFormat;
}

}  // namespace tersor
