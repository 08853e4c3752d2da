// JSON of any bytes is refused with an Error or read; what was read is written and read again as the same.
#include <cstdlib>

#include "tersor/base/error.h"
#include "tersor/io/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string once =
        tersor::dump_json(tersor::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz"));
    try {
      if (tersor::dump_json(tersor::parse_json(once, "fuzz")) != once) std::abort();
    } catch (const tersor::Error&) {
      std::abort();  // we must be able to read what we write
    }
  } catch (const tersor::Error&) {
  }
  return 0;
}
