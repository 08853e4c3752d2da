#include "tersor/tokenizer/tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/io/file.h"
#include "tersor/io/json.h"
#include "tersor/tokenizer/json_fields.h"

namespace tersor::tokenizer {
namespace {

constexpr uint64_t kMaxTemplateBytes = 4u << 20;

// A special token is written as a string, or as an object with its `content`.
std::optional<AddedToken> special_token(const Json& value, const std::string& origin) {
  AddedToken token;
  if (value.is_string()) {
    token.content = value.get<std::string>();
    token.normalized = false;
  } else if (value.is_object() && value.contains("content")) {
    token = parse_added_token(value, origin);
  } else {
    return std::nullopt;
  }
  token.special = true;
  return token;
}

void read_special_tokens(const Json& config, const std::string& origin, TokenizerConfig& out) {
  const auto add = [&](const Json& value) {
    const auto token = special_token(value, origin);
    if (token) out.added_tokens.push_back(*token);
    return token;
  };
  for (const auto& [key, value] : config.items()) {
    if (key == "extra_special_tokens" || key == "additional_special_tokens") {
      for (const Json& token : value) add(token);
    } else if (key.ends_with("_token")) {
      if (const auto token = add(value)) out.special_tokens[key] = token->content;
    }
  }
}

void read_added_tokens_decoder(const Json& config, const std::string& origin, TokenizerConfig& out) {
  const auto decoder = config.find("added_tokens_decoder");
  if (decoder == config.end() || !decoder->is_object()) return;
  std::vector<AddedToken> tokens;
  for (const auto& [key, value] : decoder->items()) {
    AddedToken token = parse_added_token(value, origin);
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (error != std::errc() || end != key.data() + key.size()) {
      throw input_error(fmt::format("{}: `{}` in added_tokens_decoder is not a token id", origin, key));
    }
    tokens.push_back(std::move(token));
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  out.added_tokens.insert(out.added_tokens.end(), tokens.begin(), tokens.end());
}

// A template is a string, or a list of {"name": …, "template": …}.
void read_chat_template(const Json& config, const std::string& origin, TokenizerConfig& out) {
  const auto value = config.find("chat_template");
  if (value == config.end() || value->is_null()) return;
  if (value->is_string()) {
    out.chat_templates["default"] = value->get<std::string>();
  } else if (value->is_array()) {
    for (const Json& entry : *value) {
      out.chat_templates[string_field(entry, "name", origin)] = string_field(entry, "template", origin);
    }
  } else {
    throw input_error(
        fmt::format("{}: `chat_template` must be a string or a list of named templates", origin));
  }
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder) {
  TokenizerConfig out;
  const auto read_json = [&](const char* name, auto... readers) {
    const std::filesystem::path path = folder / name;
    if (!std::filesystem::exists(path)) return;
    const Json json = read_json_file(path);
    if (!json.is_object())
      throw input_error(fmt::format("{}: expected an object, found {}", path.string(), json_kind(json)));
    (readers(json, path.string(), out), ...);
  };
  read_json("special_tokens_map.json", read_special_tokens);
  read_json("tokenizer_config.json", read_added_tokens_decoder, read_special_tokens, read_chat_template);
  // Templates in files of their own replace those of the config.
  read_json("chat_template.json", read_chat_template);
  const std::filesystem::path own = folder / "chat_template.jinja";
  if (std::filesystem::exists(own)) out.chat_templates["default"] = read_file(own, kMaxTemplateBytes);
  const std::filesystem::path more = folder / "additional_chat_templates";
  if (std::filesystem::is_directory(more)) {
    for (const auto& entry : std::filesystem::directory_iterator(more)) {
      if (entry.path().extension() != ".jinja") continue;
      out.chat_templates[entry.path().stem().string()] = read_file(entry.path(), kMaxTemplateBytes);
    }
  }
  return out;
}

}  // namespace tersor::tokenizer
