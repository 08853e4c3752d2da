// Open-addressing hash maps for lookups that a tokenizer makes millions of times a second.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace tersor::tokenizer {

// Mixes 64 bits so that every input bit reaches the high ones (the finalizer of SplitMix64, shortened).
inline uint64_t mix64(uint64_t x) {
  x ^= x >> 32;
  x *= 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
  return x ^ x >> 29;
}

// Up to 8 bytes at `p` as one word, without reading beyond them.
inline uint64_t load_up_to_8(const char* p, size_t n) {
  uint64_t word = 0;
  if (n >= 8) {
    std::memcpy(&word, p, 8);
  } else if (n >= 4) {
    uint32_t low = 0, high = 0;
    std::memcpy(&low, p, 4);
    std::memcpy(&high, p + n - 4, 4);
    word = low | uint64_t{high} << (8 * (n - 4));
  } else if (n > 0) {
    const auto byte = [&](size_t i) { return uint64_t{static_cast<uint8_t>(p[i])} << (8 * i); };
    word = byte(0) | byte(n / 2) | byte(n - 1);
  }
  return word;
}

inline uint64_t hash_bytes(std::string_view s) {
  uint64_t h = s.size() * 0xFF51AFD7ED558CCD;
  const char* p = s.data();
  size_t n = s.size();
  for (; n > 8; p += 8, n -= 8) h = mix64(h ^ load_up_to_8(p, 8));
  return mix64(h ^ load_up_to_8(p, n));
}

// uint64 → uint64. The key ~0 is not allowed.
class FlatMap64 {
 public:
  explicit FlatMap64(size_t expected = 0) { resize(expected); }

  // Replaces the value of a key that is there.
  void insert(uint64_t key, uint64_t value) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[find_slot(key)];
    count_ += slot.key == kEmpty;
    slot = {key, value};
  }

  const uint64_t* find(uint64_t key) const {
    const Slot& slot = slots_[find_slot(key)];
    return slot.key == key ? &slot.value : nullptr;
  }

  size_t size() const { return count_; }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  struct Slot {
    uint64_t key = kEmpty, value = 0;
  };

  void resize(size_t expected) {
    slots_.assign(std::bit_ceil(2 * expected + 8), Slot{});
    shift_ = 64 - std::countr_zero(slots_.size());
  }
  void grow() {
    std::vector<Slot> old = std::move(slots_);
    resize(old.size());
    for (const Slot& slot : old) {
      if (slot.key != kEmpty) slots_[find_slot(slot.key)] = slot;
    }
  }
  size_t find_slot(uint64_t key) const {
    size_t i = (mix64(key) * 0x9E3779B97F4A7C15) >> shift_;
    while (slots_[i].key != key && slots_[i].key != kEmpty) i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  std::vector<Slot> slots_;
  size_t count_ = 0;
  int shift_ = 0;
};

}  // namespace tersor::tokenizer
