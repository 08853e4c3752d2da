#include "tersor/tokenizer/bpe.h"

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/bpe_merge.h"
#include "tersor/tokenizer/byte_level.h"
#include "tersor/tokenizer/json_fields.h"
#include "tersor/tokenizer/model_json.h"

namespace tersor::tokenizer {
namespace {

constexpr std::string_view kMarker = "▁";

}  // namespace

BpeModel::BpeModel(const Json& json, const std::string& origin) {
  vocabulary_ = parse_vocabulary(require_field(json, "vocab", origin), origin);
  read_options(json, origin);
  read_merges(require_field(json, "merges", origin), origin);
  for (size_t c = 0; c < 0x80; ++c) {
    const char ascii = static_cast<char>(c);
    unit_of_byte_[c] = unit_of({&ascii, 1});
  }
  find_cut_marker();
}

void BpeModel::read_options(const Json& json, const std::string& origin) {
  const auto dropout = json.find("dropout");
  if (dropout != json.end() && !dropout->is_null() && *dropout != 0.0) {
    throw input_error(fmt::format("{}: BPE dropout is not supported", origin),
                      "dropout makes training noisy on purpose; set `dropout` to null to encode");
  }
  if (const auto unknown = optional_string_field(json, "unk_token", origin)) {
    unknown_id_ = vocabulary_.find(*unknown);
    if (!unknown_id_)
      throw input_error(fmt::format("{}: the unk_token `{}` is not in the vocabulary", origin, *unknown));
  }
  prefix_ = optional_string_field(json, "continuing_subword_prefix", origin).value_or("");
  suffix_ = optional_string_field(json, "end_of_word_suffix", origin).value_or("");
  fuse_unknown_ = bool_field(json, "fuse_unk", false, origin);
  byte_fallback_ = bool_field(json, "byte_fallback", false, origin);
  ignore_merges_ = bool_field(json, "ignore_merges", false, origin);
  if (byte_fallback_ && !(prefix_.empty() && suffix_.empty())) {
    throw input_error(
        fmt::format("{}: byte_fallback together with subword affixes is not supported", origin));
  }
}

// A merge is a pair ["a", "b"], or in older files the string "a b".
void BpeModel::read_merges(const Json& merges, const std::string& origin) {
  if (!merges.is_array())
    throw input_error(fmt::format("{}: `merges` must be a list, is {}", origin, json_kind(merges)));
  if (merges.size() > kMaxTokenId)
    throw input_error(fmt::format("{}: {} merges are too many", origin, merges.size()));
  merges_ = FlatMap64(merges.size());
  std::string product;
  uint32_t rank = 0;
  for (const Json& merge : merges) {
    std::string_view left, right;
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      left = merge[0].get_ref<const std::string&>();
      right = merge[1].get_ref<const std::string&>();
    } else if (merge.is_string()) {
      const std::string_view both = merge.get_ref<const std::string&>();
      if (both.starts_with("#version")) continue;
      const size_t space = both.find(' ');
      if (space != std::string_view::npos && both.find(' ', space + 1) == std::string_view::npos) {
        left = both.substr(0, space);
        right = both.substr(space + 1);
      }
    }
    const auto left_id = vocabulary_.find(left), right_id = vocabulary_.find(right);
    const bool affixed = right.size() >= prefix_.size();
    product.assign(left);
    product += right.substr(affixed ? prefix_.size() : 0);
    const auto merged_id = vocabulary_.find(product);
    if (!left_id || !right_id || !merged_id || !affixed) {
      throw input_error(fmt::format("{}: merge {} ({}) is not of two tokens that make a third", origin, rank,
                                    merge.dump()));
    }
    merges_.insert(uint64_t{static_cast<uint32_t>(*left_id)} << 32 | static_cast<uint32_t>(*right_id),
                   uint64_t{rank} << 32 | static_cast<uint32_t>(*merged_id));
    ++rank;
  }
}

void BpeModel::find_cut_marker() {
  if (!prefix_.empty() || !suffix_.empty() || ignore_merges_ || !vocabulary_.find(kMarker)) return;
  for (size_t id = 0; id < vocabulary_.id_limit(); ++id) {
    const auto token = vocabulary_.token(static_cast<int32_t>(id));
    if (!token) continue;
    for (size_t at = token->find(kMarker, 1); at != std::string_view::npos;
         at = token->find(kMarker, at + 1)) {
      if (!token->substr(0, at).ends_with(kMarker)) return;
    }
  }
  cut_marker_ = kMarker;
}

bool BpeModel::use_bytes() {
  if (!prefix_.empty() || !suffix_.empty()) return false;
  bytes_ = true;
  cut_marker_.clear();
  for (size_t id = 0; id < vocabulary_.id_limit(); ++id) {
    const auto token = vocabulary_.token(static_cast<int32_t>(id));
    if (!token) continue;
    if (const auto bytes = bytes_of_byte_level(*token)) by_bytes_.add(*bytes, static_cast<int32_t>(id));
  }
  for (size_t b = 0; b < 256; ++b) unit_of_byte_[b] = unit_of(byte_level_utf8(static_cast<uint8_t>(b)));
  return true;
}

BpeUnit BpeModel::unit_of(std::string_view text) const {
  BpeUnit unit;
  if (const auto id = vocabulary_.find(text)) {
    unit.kind = BpeUnit::Kind::kToken;
    unit.count = 1;
    unit.ids[0] = *id;
    return unit;
  }
  if (byte_fallback_ && text.size() <= unit.ids.size()) {
    for (const char c : text) {
      const auto id = vocabulary_.find(fmt::format("<0x{:02X}>", static_cast<uint8_t>(c)));
      if (!id) break;
      unit.ids[unit.count++] = *id;
    }
    if (unit.count == text.size()) {
      unit.kind = BpeUnit::Kind::kBytes;
      return unit;
    }
    unit.count = 0;
  }
  if (unknown_id_) unit.kind = BpeUnit::Kind::kUnknown;
  return unit;
}

BpeUnit BpeModel::affixed_unit_of(std::string_view character, bool first, bool last) const {
  std::string text;
  if (!first) text += prefix_;
  text += character;
  if (last) text += suffix_;
  return unit_of(text);
}

void BpeModel::append_units(std::string_view word, std::vector<int32_t>& ids) const {
  bool unknown = false;  // an unknown token is due
  const auto append = [&](const BpeUnit& unit) {
    using enum BpeUnit::Kind;
    if (unknown && (unit.kind == kToken || (unit.kind == kUnknown && !fuse_unknown_))) {
      ids.push_back(*unknown_id_);
      unknown = false;
    }
    unknown |= unit.kind == kUnknown;
    for (size_t i = 0; i < unit.count; ++i) ids.push_back(unit.ids[i]);
  };
  if (bytes_) {
    for (const char c : word) append(unit_of_byte_[static_cast<uint8_t>(c)]);
  } else {
    const bool affixed = !prefix_.empty() || !suffix_.empty();
    for (size_t at = 0; at < word.size();) {
      const std::string_view character = word.substr(at, utf8_length(word[at]));
      if (affixed)
        append(affixed_unit_of(character, at == 0, at + character.size() == word.size()));
      else if (character.size() == 1)
        append(unit_of_byte_[static_cast<uint8_t>(character[0])]);
      else
        append(unit_of(character));
      at += character.size();
    }
  }
  if (unknown) ids.push_back(*unknown_id_);
}

void BpeModel::encode(std::string_view word, std::vector<int32_t>& out) const {
  if (ignore_merges_) {
    if (const auto id = (bytes_ ? by_bytes_ : vocabulary_).find(word)) {
      out.push_back(*id);
      return;
    }
  }
  const size_t first = out.size();
  append_units(word, out);
  out.resize(first + merge_word(std::span(out).subspan(first), merges_));
}

}  // namespace tersor::tokenizer
