#include "tersor/tokenizer/decoder.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/byte_level.h"
#include "tersor/tokenizer/json_fields.h"

namespace tersor::tokenizer {
namespace {

using Tokens = std::vector<std::string>;
constexpr const char* kWhat = "decoder";
// Of one token after a replacement, or of all that was fused into one: replacements may multiply.
constexpr size_t kMaxTokenText = size_t{256} << 20;
constexpr const char* kReplacement = "\xEF\xBF\xBD";

void parse_into(const Json& json, const std::string& origin, std::vector<DecoderStep>& out) {
  const std::string type = component_type(json, kWhat, origin);
  if (type == "Sequence") {
    for (const Json& inner : require_field(json, "decoders", origin)) parse_into(inner, origin, out);
  } else if (type == "ByteLevel") {
    out.emplace_back(ByteLevelDecode{});
  } else if (type == "ByteFallback") {
    out.emplace_back(ByteFallbackDecode{});
  } else if (type == "Fuse") {
    out.emplace_back(FuseDecode{});
  } else if (type == "Metaspace") {
    const bool never = optional_string_field(json, "prepend_scheme", origin) == "never" ||
                       !bool_field(json, "add_prefix_space", true, origin);
    out.emplace_back(
        MetaspaceDecode{optional_string_field(json, "replacement", origin).value_or("▁"), !never});
  } else if (type == "Strip") {
    out.emplace_back(StripDecode{string_field(json, "content", origin), uint_field(json, "start", origin),
                                 uint_field(json, "stop", origin)});
  } else if (type == "Replace") {
    out.emplace_back(
        ReplaceDecode{pattern_field(json, "pattern", origin), string_field(json, "content", origin)});
  } else if (type == "WordPiece") {
    out.emplace_back(WordPieceDecode{optional_string_field(json, "prefix", origin).value_or("##"),
                                     bool_field(json, "cleanup", true, origin)});
  } else if (type == "BPEDecoder") {
    out.emplace_back(BpeSuffixDecode{optional_string_field(json, "suffix", origin).value_or("</w>")});
  } else {
    unsupported_component(kWhat, type, origin);
  }
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(text);
  std::string out;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from)) {
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  return out += text;
}

std::string join(const Tokens& tokens, std::string_view between) {
  std::string out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) out += between;
    out += tokens[i];
  }
  return out;
}

void apply(const ByteLevelDecode&, Tokens& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) {
    const auto spelt = bytes_of_byte_level(token);
    bytes += spelt ? *spelt : token;  // an added token is text already
  }
  tokens = {is_valid_utf8(bytes) ? std::move(bytes) : replace_invalid_utf8(bytes)};
}

// The byte of a token `<0xAB>`.
std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned byte = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  if (error != std::errc() || end != token.data() + 5) return std::nullopt;
  return static_cast<char>(byte);
}

void apply(const ByteFallbackDecode&, Tokens& tokens) {
  Tokens out;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (is_valid_utf8(bytes))
      out.push_back(bytes);
    else
      out.insert(out.end(), bytes.size(), kReplacement);
    bytes.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = fallback_byte(token)) {
      bytes += *byte;
    } else {
      flush();
      out.push_back(std::move(token));
    }
  }
  flush();
  tokens = std::move(out);
}

void apply(const FuseDecode&, Tokens& tokens) { tokens = {join(tokens, "")}; }

void apply(const MetaspaceDecode& step, Tokens& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = replace_all(tokens[i], step.replacement, i == 0 && step.drops_first ? "" : " ");
  }
}

void apply(const StripDecode& step, Tokens& tokens) {
  if (step.content.empty()) return;
  for (std::string& token : tokens) {
    std::string_view text = token;
    for (size_t i = 0; i < step.start && text.starts_with(step.content); ++i)
      text.remove_prefix(step.content.size());
    for (size_t i = 0; i < step.stop && text.ends_with(step.content); ++i)
      text.remove_suffix(step.content.size());
    token = std::string(text);
  }
}

void apply(const ReplaceDecode& step, Tokens& tokens) {
  Spans spans;
  for (std::string& token : tokens) {
    spans.clear();
    step.pattern.find(token, 0, spans);
    std::string out;
    for (const Span& span : spans) {
      out += span.matched ? std::string_view(step.content) : span.in(token);
      if (out.size() > kMaxTokenText) throw input_error("a token's text grows beyond all use when decoded");
    }
    token = std::move(out);
  }
}

void apply(const WordPieceDecode& step, Tokens& tokens) {
  constexpr std::array<std::pair<const char*, const char*>, 11> kCleanup = {{{" .", "."},
                                                                             {" ?", "?"},
                                                                             {" !", "!"},
                                                                             {" ,", ","},
                                                                             {" ' ", "'"},
                                                                             {" n't", "n't"},
                                                                             {" 'm", "'m"},
                                                                             {" do not", " don't"},
                                                                             {" 's", "'s"},
                                                                             {" 've", "'ve"},
                                                                             {" 're", "'re"}}};
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string& token = tokens[i];
    if (i > 0) {
      if (token.starts_with(step.prefix))
        token.erase(0, step.prefix.size());
      else
        token.insert(0, " ");
    }
    if (!step.cleanup) continue;
    for (const auto& [from, to] : kCleanup) token = replace_all(token, from, to);
  }
}

void apply(const BpeSuffixDecode& step, Tokens& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = replace_all(tokens[i], step.suffix, i + 1 == tokens.size() ? "" : " ");
  }
}

}  // namespace

Decoder Decoder::parse(const Json& json, const std::string& origin) {
  Decoder decoder;
  decoder.joins_with_spaces_ = json.is_null();
  if (!json.is_null()) parse_into(json, origin, decoder.steps_);
  return decoder;
}

std::string Decoder::decode(std::vector<std::string> tokens) const {
  if (joins_with_spaces_) return join(tokens, " ");
  for (const DecoderStep& step : steps_) {
    std::visit([&](const auto& s) { apply(s, tokens); }, step);
  }
  return join(tokens, "");
}

}  // namespace tersor::tokenizer
