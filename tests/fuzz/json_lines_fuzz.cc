// A line of a JSONL dataset of any bytes is refused with an Error, or gives text in UTF-8, messages in JSON,
// ids.
#include <cstdlib>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/datasets/records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tersor::datasets;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  try {
    const Document document = line_document(line, 0, "text", "fuzz:1");
    if (const auto* text = std::get_if<Text>(&document.content)) {
      if (!tersor::is_valid_utf8(text->utf8)) std::abort();
    } else if (const auto* messages = std::get_if<Messages>(&document.content)) {
      if (!tersor::parse_json(messages->json, "messages").is_array()) std::abort();
    }
  } catch (const tersor::Error&) {
  }
  return 0;
}
