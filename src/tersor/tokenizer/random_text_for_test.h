// Random text for property tests: words, spaces and rare characters in runs, as text has them.
#pragma once

#include <array>
#include <random>
#include <string>
#include <string_view>

#include "tersor/base/utf8.h"

namespace tersor::tokenizer {

// `accept(code point)` filters the characters.
template <class Accept>
std::string random_text(std::mt19937& random, size_t length, Accept accept) {
  struct Range {
    uint32_t first, last;
  };
  constexpr std::array<Range, 26> kRanges = {
      {{0x20, 0x7E},     {'a', 'z'},       {'A', 'Z'},       {' ', ' '},       {' ', ' '},
       {'\n', '\n'},     {'\t', '\r'},     {'\'', '\''},     {'0', '9'},       {'!', '/'},
       {0x80, 0x24F},    {0x250, 0x36F},   {0x370, 0x52F},   {0x590, 0x6FF},   {0x900, 0xDFF},
       {0xE00, 0x11FF},  {0x1C4, 0x1CC},   {0x1E00, 0x1FFF}, {0x2000, 0x206F}, {0x2070, 0x2BFF},
       {0x3000, 0x30FF}, {0x4E00, 0x9FFF}, {0xAC00, 0xD7A3}, {0xF900, 0xFFFD}, {0x10000, 0x1FFFF},
       {0x17F, 0x17F}}};
  constexpr std::array<std::string_view, 8> kPhrases = {"'s",    "'re",      "'LL",     "'Ve",
                                                        "  \n ", "\r\n\r\n", " 123456", "/\r\n/"};
  std::string text;
  while (text.size() < length) {
    if (random() % 8 == 0) {
      text += kPhrases[random() % kPhrases.size()];
      continue;
    }
    const Range range = kRanges[random() % kRanges.size()];
    for (uint32_t n = 1 + random() % 4; n > 0; --n) {
      const uint32_t c = range.first + random() % (range.last - range.first + 1);
      if (accept(c)) append_utf8(text, c);
    }
  }
  return text;
}

}  // namespace tersor::tokenizer
