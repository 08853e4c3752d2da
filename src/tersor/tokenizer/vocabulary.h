// Tokens and their ids, both ways.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::tokenizer {

// The greatest id that we accept: some fifty times the largest vocabulary in use, and no memory to speak of.
constexpr uint64_t kMaxTokenId = (uint64_t{1} << 24) - 1;

class Vocabulary {
 public:
  // A token that is there already gets the new id. `id` is at most kMaxTokenId.
  void add(std::string_view token, int32_t id);

  std::optional<int32_t> find(std::string_view token) const;
  // The token of an id, nullopt when there is none.
  std::optional<std::string_view> token(int32_t id) const;

  // Distinct tokens.
  size_t size() const { return entries_.size(); }
  // One above the greatest id.
  size_t id_limit() const { return entry_of_id_.size(); }

 private:
  struct Entry {
    uint32_t offset, length;
    int32_t id;
  };

  std::string_view text_of(const Entry& e) const {
    return std::string_view(text_).substr(e.offset, e.length);
  }
  size_t find_slot(std::string_view token, uint64_t hash) const;
  void grow();

  std::string text_;  // all tokens, end to end
  std::vector<Entry> entries_;
  std::vector<uint32_t> entry_of_id_;  // kNone: no token
  // Open addressing: entry index + 1 in the low half, high bits of the hash in the high half; 0 is empty.
  std::vector<uint64_t> slots_;
};

}  // namespace tersor::tokenizer
