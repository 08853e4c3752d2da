#include "tersor/compressors/weight_format.h"

namespace tersor {

const WeightFormat& weight_format(Format format) {
  switch (format) {
    case Format::kPack:
      return pack_quantized_format();
    case Format::kNvfp4Pack:
      return nvfp4_pack_format();
    case Format::kMxfp4Pack:
      return mxfp4_pack_format();
    case Format::kMxfp8:
      return mxfp8_format();
    // Three names of one layout, told apart by what their activations are.
    case Format::kInt:
    case Format::kFloat:
    case Format::kNaive:
    case Format::kDense:
      break;
  }
  return naive_quantized_format();
}

}  // namespace tersor
