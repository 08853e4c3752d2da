// What stands beside tokenizer.json: names of special tokens, tokens added later, chat templates.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tersor/tokenizer/added_tokens.h"

namespace tersor::tokenizer {

struct TokenizerConfig {
  std::map<std::string, std::string> special_tokens;  // "bos_token" → "<s>"
  std::vector<AddedToken> added_tokens;               // added_tokens_decoder, by id, then the special tokens
  std::map<std::string, std::string> chat_templates;  // by name, "default" the usual one
};

// Reads tokenizer_config.json, special_tokens_map.json, chat_template.jinja, chat_template.json and
// additional_chat_templates/*.jinja of a folder; each may be absent. Throws Error(kInput) naming the file.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

}  // namespace tersor::tokenizer
