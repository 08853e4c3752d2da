// UTF-8: decoding of text known to be valid, and the repair of text that is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tersor {

// Bytes of the character that starts with `lead`, a lead byte of valid UTF-8.
inline size_t utf8_length(char lead) {
  const auto b = static_cast<uint8_t>(lead);
  return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

// The code point at `p`, which must stand on a character of valid UTF-8; moves `p` behind it.
inline uint32_t decode_utf8(const char*& p) {
  const auto byte = [&](int i) { return static_cast<uint32_t>(static_cast<uint8_t>(p[i])); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return p += 1, lead;
  if (lead < 0xE0) {
    const uint32_t c = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    return p += 2, c;
  }
  if (lead < 0xF0) {
    const uint32_t c = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return p += 3, c;
  }
  const uint32_t c = (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  return p += 4, c;
}

// Moves `p` back onto the start of the character before it.
inline const char* previous_utf8(const char* p) {
  do --p;
  while ((static_cast<uint8_t>(*p) & 0xC0) == 0x80);
  return p;
}

void append_utf8(std::string& out, uint32_t code_point);
std::string to_utf8(uint32_t code_point);
size_t count_code_points(std::string_view text);

// Length of the longest prefix that is valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
size_t valid_utf8_prefix(std::string_view text);
inline bool is_valid_utf8(std::string_view text) { return valid_utf8_prefix(text) == text.size(); }

// `text` with U+FFFD for every maximal part of a character that is cut short, and for every stray byte: the
// replacement that the Unicode Standard (section 3.9) recommends, and Rust and Python make.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace tersor
