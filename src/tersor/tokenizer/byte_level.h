// GPT-2's byte alphabet: each of the 256 bytes has a printable character, so that any text is a string of
// letters.
//
// Printable Latin-1 stands for itself; the 68 other bytes get U+0100 onwards, in order: the space is U+0120
// (Ġ), the line feed U+010A (Ċ).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tersor::tokenizer {

// The character of a byte, and its UTF-8.
uint32_t byte_level_char(uint8_t byte);
std::string_view byte_level_utf8(uint8_t byte);

// Every byte of `text` as its character.
void append_byte_level(std::string_view text, std::string& out);

// The bytes that `token` spells, or nullopt when some character of it stands for no byte. `token` is valid
// UTF-8.
std::optional<std::string> bytes_of_byte_level(std::string_view token);

}  // namespace tersor::tokenizer
