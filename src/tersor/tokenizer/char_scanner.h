// Scans valid UTF-8 by character class: the loops under every hand-written matcher.
#pragma once

#include <string_view>

#include "tersor/base/utf8.h"
#include "tersor/tokenizer/unicode.h"

namespace tersor::tokenizer {

class CharScanner {
 public:
  explicit CharScanner(std::string_view text)
      : table_(CharTable::get()),
        ascii_(table_.ascii()),
        begin_(text.data()),
        end_(text.data() + text.size()) {}

  const char* begin() const { return begin_; }
  const char* end() const { return end_; }

  // The classes of the character at `p`, none at the end of the text.
  CharClass at(const char* p) const {
    if (p == end_) return 0;
    const auto byte = static_cast<uint8_t>(*p);
    return byte < 0x80 ? ascii_[byte] : table_[decode_utf8(p)];
  }

  const char* next(const char* p) const { return p + utf8_length(*p); }

  // The end of the run of characters from `p` that have a class of `wanted`.
  const char* run(const char* p, CharClass wanted) const {
    while (p != end_) {
      const auto byte = static_cast<uint8_t>(*p);
      if (byte < 0x80) {
        if (!(ascii_[byte] & wanted)) break;
        ++p;
      } else {
        const char* after = p;
        if (!(table_[decode_utf8(after)] & wanted)) break;
        p = after;
      }
    }
    return p;
  }

  // The same for characters that have no class of `unwanted`.
  const char* run_without(const char* p, CharClass unwanted) const {
    while (p != end_) {
      const auto byte = static_cast<uint8_t>(*p);
      if (byte < 0x80) {
        if (ascii_[byte] & unwanted) break;
        ++p;
      } else {
        const char* after = p;
        if (table_[decode_utf8(after)] & unwanted) break;
        p = after;
      }
    }
    return p;
  }

 private:
  const CharTable& table_;
  const CharClass* ascii_;
  const char* begin_;
  const char* end_;
};

}  // namespace tersor::tokenizer
