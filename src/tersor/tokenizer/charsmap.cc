#include "tersor/tokenizer/charsmap.h"

#include <cstring>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/unicode_normalize.h"

namespace tersor::tokenizer {
namespace {

// The reference looks a cluster up as a whole only when it is shorter than this.
constexpr size_t kLongGrapheme = 6;

bool has_leaf(uint32_t unit) { return unit >> 8 & 1; }
uint32_t label(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset(uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }
uint32_t value(uint32_t unit) { return unit & 0x7FFFFFFF; }

uint32_t read_u32(const char* p) {
  uint32_t v = 0;
  std::memcpy(&v, p, sizeof(v));  // little-endian, as every machine we build for is
  return v;
}

}  // namespace

Charsmap::Charsmap(std::string_view blob, const std::string& origin) {
  ascii_is_kept_.fill(true);
  if (blob.empty()) return;
  const size_t trie_bytes = blob.size() < 4 ? 0 : read_u32(blob.data());
  if (blob.size() < 4 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4) {
    throw input_error(
        fmt::format("{}: the precompiled_charsmap is broken: {} bytes, of which the trie claims {}", origin,
                    blob.size(), trie_bytes));
  }
  trie_.resize(trie_bytes / 4);
  std::memcpy(trie_.data(), blob.data() + 4, trie_bytes);
  rewrites_ = replace_invalid_utf8(blob.substr(4 + trie_bytes));
  for (size_t i = 0; i < ascii_is_kept_.size(); ++i) {
    const char c = static_cast<char>(i);
    ascii_is_kept_[i] = !find({&c, 1});
  }
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
  if (trie_.empty()) return std::nullopt;
  uint32_t node = offset(trie_[0]);
  for (const char c : text) {
    if (c == '\0') break;
    node ^= static_cast<uint8_t>(c);
    if (node >= trie_.size() || label(trie_[node]) != static_cast<uint8_t>(c)) break;
    const uint32_t unit = trie_[node];
    node ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (node >= trie_.size()) break;
    const size_t at = value(trie_[node]);
    // Beyond the rewrites, or inside a character.
    if (at > rewrites_.size() || (static_cast<uint8_t>(rewrites_[at]) & 0xC0) == 0x80) break;
    return std::string_view(rewrites_).substr(at, rewrites_.find('\0', at) - at);
  }
  return std::nullopt;
}

void Charsmap::append_rewritten(std::string_view text, std::string& out, size_t limit) const {
  while (!text.empty()) {
    if (out.size() > limit)
      throw input_error("the text grows beyond all use when its characters are rewritten");
    // An ASCII character before another is a cluster of its own, all but CR LF.
    const auto byte = static_cast<uint8_t>(text[0]);
    if (byte < 0x80 && byte != '\r' && (text.size() == 1 || static_cast<uint8_t>(text[1]) < 0x80) &&
        ascii_is_kept_[byte]) {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    const std::string_view grapheme = text.substr(0, grapheme_length(text));
    text.remove_prefix(grapheme.size());
    if (grapheme.size() < kLongGrapheme) {
      if (const auto rewrite = find(grapheme)) {
        out += *rewrite;
        continue;
      }
    }
    for (size_t at = 0; at < grapheme.size();) {
      const std::string_view character = grapheme.substr(at, utf8_length(grapheme[at]));
      out += find(character).value_or(character);
      at += character.size();
    }
  }
}

std::optional<std::string> decode_base64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    uint32_t digit = 0;
    if (c >= 'A' && c <= 'Z')
      digit = static_cast<uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      digit = static_cast<uint32_t>(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
      digit = static_cast<uint32_t>(c - '0') + 52;
    else if (c == '+')
      digit = 62;
    else if (c == '/')
      digit = 63;
    else
      return std::nullopt;
    bits = bits << 6 | digit;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xFF);
    }
  }
  return count < 6 ? std::optional(out) : std::nullopt;
}

}  // namespace tersor::tokenizer
