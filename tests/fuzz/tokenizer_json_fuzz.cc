// A tokenizer.json of any bytes is refused with an Error or read; what was read encodes and decodes any text.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/tokenizer.h"

namespace {

// Words, numbers, accents, scripts, white space, an emoji with a joiner, special tokens, invalid bytes.
constexpr std::string_view kTexts[] = {
    "Hello, world's  12345 aaa\n\tdon't <s>a</s>[MASK]",
    " \xC3\xA9t\xC3\xA9 e\xCC\x81 \xE4\xB8\xAD\xE6\x96\x87",
    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB \xEF\xAC\x81\xE2\x96\x81x", "\xFF\xC3", ""};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tersor;
  try {
    const Tokenizer tokenizer = Tokenizer::from_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    const auto limit = static_cast<int64_t>(tokenizer.id_limit());
    for (const std::string_view text : kTexts) {
      try {
        const auto ids = tokenizer.encode(text);
        for (const int32_t id : ids) {
          if (id < 0 || id >= limit) std::abort();
        }
        if (tokenizer.encode(text) != ids) std::abort();  // the second time from the cache
        for (const bool skip : {false, true}) {
          if (!is_valid_utf8(tokenizer.decode(ids, skip))) std::abort();
        }
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
