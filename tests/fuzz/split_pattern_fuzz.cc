// A pre-tokenizer's pattern of any bytes is refused with an Error, or cuts a text into pieces that cover it;
// none runs away. The input: a pattern, a zero byte, a text.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/split_pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tersor;
  const std::string input = replace_invalid_utf8({reinterpret_cast<const char*>(data), size});
  const size_t zero = std::min(input.find('\0'), input.size());
  const std::string_view text = std::string_view(input).substr(std::min(zero + 1, input.size()));
  try {
    const auto pattern = tokenizer::SplitPattern::regex(input.substr(0, zero), "fuzz");
    tokenizer::Spans spans;
    pattern.find(text, 0, spans);
    size_t done = 0;
    for (const tokenizer::Span& span : spans) {
      if (span.begin != done || span.end < span.begin || span.end > text.size()) std::abort();
      if (!is_valid_utf8(span.in(text))) std::abort();
      done = span.end;
    }
    if (done != text.size()) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
