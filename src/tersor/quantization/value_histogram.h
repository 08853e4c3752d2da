// How often each value occurs, of numbers rounded to bf16: a whole sample in at most half a megabyte.
//
// A search for the range of static activation scales looks at every value once for each range that it tries.
// To keep the activations, or to run the model again for each, would cost a machine; their histogram does
// not. Its resolution is that of bf16, so that nothing is lost of what an engine that computes in bf16
// quantizes. Counts are whole numbers: the same for every order, batch size and number of threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tersor {

class ValueHistogram {
 public:
  ValueHistogram() = default;
  ValueHistogram(ValueHistogram&&) = default;
  ValueHistogram& operator=(ValueHistogram&&) = default;

  void add(std::span<const float> values);
  void add(const ValueHistogram& other);

  // f(value, count) of each value that occurs, in ascending order of its bits.
  template <typename F>
  void each(F&& f) const;

  // Bytes that one takes at most, and takes now. Pages of values that do not occur are not there: activations
  // take a tenth of it.
  static constexpr size_t kMostBytes = size_t{1 << 16} * sizeof(uint64_t);
  size_t bytes() const;

 private:
  static constexpr size_t kMantissas = 128;                 // of one sign and exponent
  static constexpr size_t kPages = (1 << 16) / kMantissas;  // signs and exponents
  using Page = std::array<uint64_t, kMantissas>;

  static float value_of(size_t bits);
  Page& page(size_t index);

  std::array<std::unique_ptr<Page>, kPages> pages_;
};

template <typename F>
void ValueHistogram::each(F&& f) const {
  for (size_t p = 0; p < kPages; ++p) {
    if (!pages_[p]) continue;
    for (size_t m = 0; m < kMantissas; ++m) {
      if ((*pages_[p])[m] > 0) f(value_of(p * kMantissas + m), (*pages_[p])[m]);
    }
  }
}

}  // namespace tersor
