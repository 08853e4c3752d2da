// quantization_config: any bytes give a config or an Error, and a config survives being written and read.
#include <cstdint>
#include <cstdlib>

#include "tersor/base/error.h"
#include "tersor/compressors/quantization_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tersor;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Json written;
  try {
    written = quantization_config_to_json(quantization_config_from_json(parse_json(text, "fuzz"), "fuzz"));
  } catch (const Error&) {
    return 0;
  }
  const QuantizationConfig again = quantization_config_from_json(written, "written");
  if (quantization_config_to_json(again) != written) std::abort();
  return 0;
}
