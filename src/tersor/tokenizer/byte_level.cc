#include "tersor/tokenizer/byte_level.h"

#include "tersor/base/utf8.h"

namespace tersor::tokenizer {
namespace {

constexpr bool stands_for_itself(uint32_t b) {
  return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
}

struct Alphabet {
  std::array<uint16_t, 256> of_byte{};
  std::array<int16_t, 512> byte_of{};  // -1: none
  std::array<char, 512> utf8{};        // two bytes each; the second is 0 for ASCII

  constexpr Alphabet() {
    byte_of.fill(-1);
    uint16_t next = 0x100;
    for (uint32_t b = 0; b < 256; ++b) {
      const uint16_t c = stands_for_itself(b) ? static_cast<uint16_t>(b) : next++;
      of_byte[b] = c;
      byte_of[c] = static_cast<int16_t>(b);
      utf8[2 * b] = static_cast<char>(c < 0x80 ? c : 0xC0 | c >> 6);
      utf8[2 * b + 1] = static_cast<char>(c < 0x80 ? 0 : 0x80 | (c & 0x3F));
    }
  }
};

constexpr Alphabet kAlphabet;

}  // namespace

uint32_t byte_level_char(uint8_t byte) { return kAlphabet.of_byte[byte]; }

std::string_view byte_level_utf8(uint8_t byte) {
  return {kAlphabet.utf8.data() + 2 * byte, kAlphabet.of_byte[byte] < 0x80 ? size_t{1} : size_t{2}};
}

void append_byte_level(std::string_view text, std::string& out) {
  for (const char c : text) out += byte_level_utf8(static_cast<uint8_t>(c));
}

std::optional<std::string> bytes_of_byte_level(std::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  for (const char *p = token.data(), *end = p + token.size(); p != end;) {
    const uint32_t c = decode_utf8(p);
    if (c >= kAlphabet.byte_of.size() || kAlphabet.byte_of[c] < 0) return std::nullopt;
    bytes += static_cast<char>(kAlphabet.byte_of[c]);
  }
  return bytes;
}

}  // namespace tersor::tokenizer
