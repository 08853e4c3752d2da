#include "tersor/tokenizer/vocabulary.h"

#include "tersor/tokenizer/flat_map.h"

namespace tersor::tokenizer {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

}  // namespace

size_t Vocabulary::find_slot(std::string_view token, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash >> 32 & mask;; i = (i + 1) & mask) {
    const uint64_t slot = slots_[i];
    if (slot == 0) return i;
    if (slot >> 32 == (hash & 0xFFFFFFFF) && text_of(entries_[(slot & 0xFFFFFFFF) - 1]) == token) return i;
  }
}

void Vocabulary::grow() {
  slots_.assign(slots_.empty() ? 64 : 2 * slots_.size(), 0);
  for (size_t e = 0; e < entries_.size(); ++e) {
    const std::string_view token = text_of(entries_[e]);
    const uint64_t hash = hash_bytes(token);
    slots_[find_slot(token, hash)] = hash << 32 | (e + 1);
  }
}

void Vocabulary::add(std::string_view token, int32_t id) {
  if (2 * (entries_.size() + 1) > slots_.size()) grow();
  const uint64_t hash = hash_bytes(token);
  uint64_t& slot = slots_[find_slot(token, hash)];
  size_t e = entries_.size();
  if (slot != 0) {
    e = (slot & 0xFFFFFFFF) - 1;
    entries_[e].id = id;
  } else {
    slot = hash << 32 | (e + 1);
    entries_.push_back({static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(token.size()), id});
    text_ += token;
  }
  if (entry_of_id_.size() <= static_cast<size_t>(id)) entry_of_id_.resize(static_cast<size_t>(id) + 1, kNone);
  entry_of_id_[static_cast<size_t>(id)] = static_cast<uint32_t>(e);
}

std::optional<int32_t> Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const uint64_t slot = slots_[find_slot(token, hash_bytes(token))];
  if (slot == 0) return std::nullopt;
  return entries_[(slot & 0xFFFFFFFF) - 1].id;
}

std::optional<std::string_view> Vocabulary::token(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= entry_of_id_.size()) return std::nullopt;
  const uint32_t e = entry_of_id_[static_cast<size_t>(id)];
  if (e == kNone) return std::nullopt;
  return text_of(entries_[e]);
}

}  // namespace tersor::tokenizer
