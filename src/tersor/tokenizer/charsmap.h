// SentencePiece's precompiled character map: rewrites of characters, kept in a double-array trie.
//
// Layout: u32 little-endian size of the trie in bytes; the trie, u32 units; the rewrites, each ended by a
// zero byte. A trie unit is (darts-clone): bits 0-7 label and bit 31 leaf mark, bit 8 "has a leaf", bits
// 10-30 offset, shifted by 8 more where bit 9 is set. A leaf's value is the offset of its rewrite.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::tokenizer {

class Charsmap {
 public:
  // Throws Error(kInput) naming `origin` when the blob is cut short or its parts do not fit.
  Charsmap(std::string_view blob, const std::string& origin);

  // The rewrite of the shortest key that `text` begins with. (The reference takes the shortest, SentencePiece
  // itself the longest; tokenizer.json means the reference's.)
  std::optional<std::string_view> find(std::string_view text) const;

  // Appends `text` rewritten: whole grapheme clusters below 6 bytes first, else character by character.
  // Throws Error(kInput) when `out` grows beyond `limit` bytes.
  void append_rewritten(std::string_view text, std::string& out, size_t limit) const;

 private:
  std::vector<uint32_t> trie_;
  std::string rewrites_;
  std::array<bool, 128> ascii_is_kept_{};  // no rewrite begins with it
};

// Standard base64 with padding; nullopt when it is not.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace tersor::tokenizer
