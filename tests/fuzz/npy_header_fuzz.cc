// A .npy header of any bytes is refused with an Error, or says what fits the file's size.
#include <cstdlib>

#include "tersor/base/error.h"
#include "tersor/datasets/npy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view start(reinterpret_cast<const char*>(data), size);
  // The data may be any multiple of the element's size: a small one, so that small shapes fit.
  for (const uint64_t behind : {uint64_t{0}, uint64_t{60}, uint64_t{1} << 40}) {
    try {
      const auto header = tersor::datasets::parse_npy_header(start, size + behind, "fuzz");
      const auto bytes = tersor::num_bytes(header.shape, header.dtype);
      if (!bytes || header.data_begin > size || header.data_begin + *bytes != size + behind) std::abort();
    } catch (const tersor::Error&) {
    }
  }
  return 0;
}
