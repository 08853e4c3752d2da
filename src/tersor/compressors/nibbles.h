// Two e2m1 codes a byte, even column in the low nibble: what NVFP4 and MXFP4 store.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/quantization_args.h"

namespace tersor {

inline DType nibbles_dtype(const QuantizationArgs&) { return DType::kU8; }
inline uint64_t nibbles_columns(const QuantizationArgs&, uint64_t in) { return in / 2; }

// REQUIRES: an even number of columns, so that rows do not share a byte.
inline void encode_nibbles(const QuantizationArgs&, const QuantizeKernels& kernels, const int8_t* codes,
                           size_t rows, size_t cols, std::byte* bytes) {
  kernels.pack_nibbles(codes, rows * cols, reinterpret_cast<uint8_t*>(bytes));
}

inline void decode_nibbles(const QuantizationArgs&, const QuantizeKernels& kernels, const std::byte* bytes,
                           size_t rows, size_t cols, int8_t* codes) {
  kernels.unpack_nibbles(reinterpret_cast<const uint8_t*>(bytes), rows * cols, codes);
}

}  // namespace tersor
