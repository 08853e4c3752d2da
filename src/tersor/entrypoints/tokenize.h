// tersor::tokenize: a text or a conversation to a model's token ids, and ids back to text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tersor {

struct TokenizeRequest {
  std::string model;  // a folder with a tokenizer.json, or a Hub id in the local Hugging Face cache
  std::string text;   // what to encode; with `decode`, token ids between blanks or commas, brackets allowed
  std::string file;   // read instead of `text`, when not empty
  // The text is a JSON list of messages ([{"role": "user", "content": "…"}, …]), or what a user says: it goes
  // through the model's chat template, up to where the assistant's answer begins.
  bool chat = false;
  bool decode = false;  // from ids to text
  // Encoding: add the special tokens that the model's texts begin and end with (a chat template writes its
  // own). Decoding: keep special tokens in the text.
  bool special_tokens = true;
};

struct TokenizeReport {
  // What was encoded: the chat template applied, U+FFFD for what is not UTF-8. Or the ids' text.
  std::string text;
  std::vector<int32_t> ids;         // in the order of the text
  std::vector<std::string> tokens;  // as the vocabulary spells each of the ids
};

// Throws tersor::Error: kUsage for no text at all and for ids that are none of the model's, kInput for a
// tokenizer that is missing or broken, and for a chat template that is missing, broken or refuses the
// messages.
TokenizeReport tokenize(const TokenizeRequest& request);

std::string to_json(const TokenizeReport& report);

}  // namespace tersor
