// A model's chat template: messages to the text that the model was trained to continue.
//
// Templates are Jinja programs; they run in an interpreter of our own (jinja/) as
// transformers.apply_chat_template runs them: a sandbox with trim_blocks and lstrip_blocks, loop controls,
// tojson, raise_exception and strftime_now.
#pragma once

#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tersor/tokenizer/tokenizer.h"

namespace tersor {

// Immutable and cheap to copy; render() may be called from several threads at once.
class ChatTemplate {
 public:
  // Parses a template; `name` stands in errors. Throws Error(kInput) with the line of what is wrong.
  ChatTemplate(std::string_view source, const std::string& name);

  // The tokenizer's template of that name, with the tokenizer's special tokens (bos_token, …) as variables.
  // Throws Error(kInput) naming the templates that there are.
  static ChatTemplate of(const Tokenizer& tokenizer, const std::string& name = "default");

  struct Options {
    bool add_generation_prompt = false;
    // JSON texts, empty for none: what `tools` and `documents` are, and an object of more variables.
    std::string tools, documents, variables;
    std::time_t now = std::time(nullptr);  // for strftime_now, in local time
  };

  struct Rendered {
    std::string text;
    // [begin, end) bytes of what stood in {% generation %} blocks: the assistant's own words, where a
    // template marks them.
    std::vector<std::pair<size_t, size_t>> generated;
  };

  // Renders a conversation, a JSON list of messages: [{"role": "user", "content": "…"}, …]. The order of keys
  // is kept, as templates print it. Throws Error(kInput) with the line of the template when it refuses the
  // messages (raise_exception), uses what is not there, or does not come to an end.
  Rendered render(std::string_view messages, const Options& options) const;
  std::string render(std::string_view messages, bool add_generation_prompt) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
  std::map<std::string, std::string> special_tokens_;
};

}  // namespace tersor
