// pack-quantized: integer codes of 1 to 8 bits as a bit stream in 32-bit words.
//
//   weight_packed      I32 [out, ceil(in·b / 32)]; element i of a row is the bits [i·b, i·b + b) of the row's
//                      stream, lowest bit first, as code + 2^(b-1); every row starts a word, unused bits are
//                      0
//   weight_scale       the weight's dtype, [1], [out, 1] or [out, in / g]
//   weight_shape       I64 [2]: out, in
//   weight_zero_point  asymmetric only: I32 [ceil(out·b / 32), in / g], the same stream along the rows of
//   each
//                      column of zero points; I8 [1] with one scale for the tensor
#include "tersor/base/checked_math.h"
#include "tersor/compressors/weight_format.h"

namespace tersor {
namespace {

DType codes_dtype(const QuantizationArgs&) { return DType::kI32; }
uint64_t codes_columns(const QuantizationArgs& args, uint64_t in) {
  return ceil_div(in * static_cast<uint64_t>(args.num_bits), 32);
}

// Rows that end on a word follow each other as one long row.
bool rows_are_seamless(size_t cols, int bits) { return cols * static_cast<size_t>(bits) % 32 == 0; }

void encode(const QuantizationArgs& args, const QuantizeKernels& kernels, const int8_t* codes, size_t rows,
            size_t cols, std::byte* bytes) {
  auto* words = reinterpret_cast<uint32_t*>(bytes);
  if (rows_are_seamless(cols, args.num_bits))
    return kernels.pack_row(codes, rows * cols, args.num_bits, words);
  const uint64_t row_words = codes_columns(args, cols);
  for (size_t r = 0; r < rows; ++r) {
    kernels.pack_row(codes + r * cols, cols, args.num_bits, words + r * row_words);
  }
}

void decode(const QuantizationArgs& args, const QuantizeKernels& kernels, const std::byte* bytes, size_t rows,
            size_t cols, int8_t* codes) {
  const auto* words = reinterpret_cast<const uint32_t*>(bytes);
  if (rows_are_seamless(cols, args.num_bits)) {
    return kernels.unpack_row(words, rows * cols, args.num_bits, codes);
  }
  const uint64_t row_words = codes_columns(args, cols);
  for (size_t r = 0; r < rows; ++r) {
    kernels.unpack_row(words + r * row_words, cols, args.num_bits, codes + r * cols);
  }
}

}  // namespace

const WeightFormat& pack_quantized_format() {
  static constexpr WeightFormat kFormat = {.codes_suffix = "weight_packed",
                                           .codes_dtype = codes_dtype,
                                           .codes_columns = codes_columns,
                                           .encode = encode,
                                           .decode = decode,
                                           .stores_shape = true,
                                           .packs_zero_points = true};
  return kFormat;
}

}  // namespace tersor
