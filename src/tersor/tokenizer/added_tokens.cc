#include "tersor/tokenizer/added_tokens.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/json_fields.h"
#include "tersor/tokenizer/unicode.h"

namespace tersor::tokenizer {
namespace {

bool is_word_character(uint32_t c) {
  return (char_class(c) & kWord) != 0 && !(c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE));
}

bool ends_with_word(std::string_view text) {
  if (text.empty()) return false;
  const char* p = previous_utf8(text.data() + text.size());
  return is_word_character(decode_utf8(p));
}

bool starts_with_word(std::string_view text) {
  if (text.empty()) return false;
  const char* p = text.data();
  return is_word_character(decode_utf8(p));
}

size_t space_before(std::string_view text, size_t end) {
  while (end > 0) {
    const char* const last = previous_utf8(text.data() + end);
    const char* p = last;
    if (!is_whitespace(decode_utf8(p))) break;
    end = static_cast<size_t>(last - text.data());
  }
  return end;
}

size_t space_behind(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const char* p = text.data() + begin;
    if (!is_whitespace(decode_utf8(p))) break;
    begin = static_cast<size_t>(p - text.data());
  }
  return begin;
}

}  // namespace

AddedToken parse_added_token(const Json& json, const std::string& origin) {
  AddedToken token;
  token.content = string_field(json, "content", origin);
  token.single_word = bool_field(json, "single_word", false, origin);
  token.lstrip = bool_field(json, "lstrip", false, origin);
  token.rstrip = bool_field(json, "rstrip", false, origin);
  token.special = bool_field(json, "special", false, origin);
  token.normalized = bool_field(json, "normalized", !token.special, origin);
  return token;
}

void TokenMatcher::add(std::string_view text, int32_t value) {
  if (text.empty()) return;
  if (nodes_.empty()) nodes_.emplace_back();
  starts_[static_cast<uint8_t>(text[0])] = true;
  uint32_t node = 0;
  for (const char c : text) {
    const auto [child, is_new] =
        nodes_[node].children.try_emplace(static_cast<uint8_t>(c), static_cast<uint32_t>(nodes_.size()));
    node = child->second;
    if (is_new) nodes_.emplace_back();
  }
  if (nodes_[node].value < 0) nodes_[node].value = value;
}

std::optional<TokenMatcher::Match> TokenMatcher::find(std::string_view text, size_t from) const {
  if (nodes_.empty()) return std::nullopt;
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<uint8_t>(text[begin])]) continue;
    std::optional<Match> longest;
    uint32_t node = 0;
    for (size_t at = begin; at < text.size(); ++at) {
      const auto child = nodes_[node].children.find(static_cast<uint8_t>(text[at]));
      if (child == nodes_[node].children.end()) break;
      node = child->second;
      if (nodes_[node].value >= 0) longest = Match{begin, at + 1, nodes_[node].value};
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

void AddedTokens::add(AddedToken token, const std::vector<NormalizerStep>& normalizer) {
  if (token.normalized) {
    NormalizerBuffers buffers;
    const std::string_view form = normalize(normalizer, token.content, buffers).text;
    if (form != token.content) normalized_form_[token.id] = form;
  }
  ids_[token.content] = token.id;
  if (token.special) special_[token.content] = true;
  const int32_t id = token.id;
  by_id_[id] = std::move(token);
}

void AddedTokens::build_matchers() {
  raw_ = {};
  normalized_ = {};
  for (const auto& [id, token] : by_id_) {
    if (!token.normalized) {
      raw_.add(token.content, id);
    } else {
      const auto form = normalized_form_.find(id);
      normalized_.add(form != normalized_form_.end() ? form->second : token.content, id);
    }
  }
}

std::optional<int32_t> AddedTokens::find(std::string_view content) const {
  const auto it = ids_.find(content);
  return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::string_view> AddedTokens::token(int32_t id) const {
  const auto token = by_id_.find(id);
  if (token == by_id_.end()) return std::nullopt;
  const auto form = normalized_form_.find(id);
  return form != normalized_form_.end() ? form->second : token->second.content;
}

bool AddedTokens::is_special(std::string_view token) const { return special_.contains(token); }

void AddedTokens::split(const TokenMatcher& matcher, std::string_view text, std::vector<Part>& out) const {
  size_t done = 0;
  for (auto match = matcher.find(text, 0); match; match = matcher.find(text, match->end)) {
    const AddedToken& token = by_id_.at(match->value);
    size_t begin = match->begin, end = match->end;
    if (token.single_word && (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end))))
      continue;
    if (token.lstrip) begin = std::max(space_before(text, begin), done);
    if (token.rstrip) end = space_behind(text, end);
    if (done < begin) out.push_back({done, begin, -1});
    out.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) out.push_back({done, text.size(), -1});
}

}  // namespace tersor::tokenizer
