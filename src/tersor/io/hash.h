// Checksums of bytes (XXH3): to find what a crash or a changed input left different, not against tampering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tersor {

// XXH3, 64 bits.
uint64_t hash64(std::span<const std::byte> bytes);

// XXH3, 128 bits, as 32 hexadecimal digits.
std::string hash_hex(std::string_view text);

}  // namespace tersor
