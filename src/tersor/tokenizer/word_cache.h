// A bounded cache of words and their token ids: natural text repeats its words.
//
// Two-way set-associative; an entry is one cache line, 1 MiB in all, which stays in a core's second-level
// cache. Longer words and words of more tokens are not kept. A new word takes the first place of its set and
// pushes the one there to the second.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "tersor/tokenizer/flat_map.h"

namespace tersor::tokenizer {

// One thread's: not safe to share.
class WordCache {
 public:
  static constexpr size_t kMaxBytes = 32;
  static constexpr size_t kMaxIds = 7;

  WordCache() : entries_(kEntries) {}

  // A word, and where it belongs. Valid while the word's text is.
  class Key {
   public:
    explicit Key(std::string_view word) : size_(static_cast<uint16_t>(word.size())) {
      const char* p = word.data();
      size_t n = word.size();
      uint64_t h = n;
      size_t i = 0;
      for (; n > 8; p += 8, n -= 8) h = mix64(h ^ (words_[i++] = load_up_to_8(p, 8)));
      h = mix64(h ^ (words_[i++] = load_up_to_8(p, n)));
      count_ = i;
      set_ = (h * 0x9E3779B97F4A7C15) >> (64 - kSetBits);
    }

   private:
    friend class WordCache;
    uint64_t words_[4];
    size_t count_;
    uint64_t set_;
    uint16_t size_;
  };

  // The ids of the word, none when it is not there. `word` is at most kMaxBytes long and not empty.
  std::span<const int32_t> find(const Key& key) const {
    const Entry* set = &entries_[2 * key.set_];
    if (is(set[0], key)) return {set[0].ids, set[0].count};
    if (is(set[1], key)) return {set[1].ids, set[1].count};
    return {};
  }

  void insert(const Key& key, std::span<const int32_t> ids) {
    if (ids.empty() || ids.size() > kMaxIds) return;
    Entry* set = &entries_[2 * key.set_];
    set[1] = set[0];
    std::memcpy(set[0].key, key.words_, 8 * key.count_);
    set[0].size = key.size_;
    set[0].count = static_cast<uint16_t>(ids.size());
    std::memcpy(set[0].ids, ids.data(), ids.size_bytes());
  }

 private:
  static constexpr int kSetBits = 13;
  static constexpr size_t kEntries = size_t{2} << kSetBits;

  struct alignas(64) Entry {
    uint64_t key[4];
    uint16_t size = 0;  // 0: empty
    uint16_t count = 0;
    int32_t ids[kMaxIds];
  };
  static_assert(sizeof(Entry) == 64);

  static bool is(const Entry& entry, const Key& key) {
    if (entry.size != key.size_) return false;
    for (size_t i = 0; i < key.count_; ++i) {
      if (entry.key[i] != key.words_[i]) return false;
    }
    return true;
  }

  std::vector<Entry> entries_;
};

}  // namespace tersor::tokenizer
