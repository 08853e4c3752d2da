#include "tersor/quantization/value_histogram.h"

#include "tersor/base/float_types.h"

namespace tersor {

float ValueHistogram::value_of(size_t bits) { return to_float(BFloat16{static_cast<uint16_t>(bits)}); }

ValueHistogram::Page& ValueHistogram::page(size_t index) {
  if (!pages_[index]) pages_[index] = std::make_unique<Page>();
  return *pages_[index];
}

void ValueHistogram::add(std::span<const float> values) {
  for (const float value : values) {
    const size_t bits = bfloat16_from(value).bits;
    ++page(bits / kMantissas)[bits % kMantissas];
  }
}

void ValueHistogram::add(const ValueHistogram& other) {
  for (size_t p = 0; p < kPages; ++p) {
    if (!other.pages_[p]) continue;
    Page& mine = page(p);
    for (size_t m = 0; m < kMantissas; ++m) mine[m] += (*other.pages_[p])[m];
  }
}

size_t ValueHistogram::bytes() const {
  size_t bytes = 0;
  for (const auto& page : pages_) bytes += page ? sizeof(Page) : 0;
  return bytes;
}

}  // namespace tersor
