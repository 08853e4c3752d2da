// Byte-pair encoding: a word starts as single characters, and adjacent pairs merge in the order of the merge
// list.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/tokenizer/flat_map.h"
#include "tersor/tokenizer/vocabulary.h"

namespace tersor::tokenizer {

// What a character (or byte) becomes before any merge.
struct BpeUnit {
  enum class Kind : uint8_t {
    kDropped,  // not in the vocabulary, and there is no unknown token
    kToken,
    kBytes,  // the tokens <0x00>…<0xFF> of its bytes
    kUnknown,
  };
  Kind kind = Kind::kDropped;
  uint8_t count = 0;
  std::array<int32_t, 4> ids{};
};

// Immutable once made; safe to use from several threads at once.
class BpeModel {
 public:
  // Reads the `model` object; throws Error(kInput) naming `origin` and the merge that names no token.
  BpeModel(const Json& json, const std::string& origin);

  // Takes words as plain bytes instead of characters of the byte alphabet (ByteLevel), which saves the
  // mapping: token for token the same. False when the model's options need the characters.
  bool use_bytes();

  const Vocabulary& vocabulary() const { return vocabulary_; }

  // Appends the ids of one word.
  void encode(std::string_view word, std::vector<int32_t>& out) const;

  // Where a text may be cut with the same result: before every `▁` that does not follow one, when no token
  // holds such a place inside. Then words can be cached although no pre-tokenizer cuts the text. Empty:
  // nowhere.
  std::string_view cut_marker() const { return cut_marker_; }

 private:
  void read_options(const Json& json, const std::string& origin);
  void read_merges(const Json& merges, const std::string& origin);
  void find_cut_marker();
  BpeUnit unit_of(std::string_view text) const;
  BpeUnit affixed_unit_of(std::string_view character, bool first, bool last) const;
  void append_units(std::string_view word, std::vector<int32_t>& ids) const;

  Vocabulary vocabulary_;
  // Tokens that byte-alphabet words are made of, spelt as bytes. Only with use_bytes().
  Vocabulary by_bytes_;
  bool bytes_ = false;
  std::array<BpeUnit, 256> unit_of_byte_;  // with use_bytes() every byte, else ASCII

  FlatMap64 merges_;  // left id << 32 | right id → rank << 32 | merged id
  std::string cut_marker_;

  std::optional<int32_t> unknown_id_;
  std::string prefix_, suffix_;  // continuing_subword_prefix, end_of_word_suffix
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;
};

}  // namespace tersor::tokenizer
