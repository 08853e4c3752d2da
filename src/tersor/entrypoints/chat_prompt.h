// What a model with a chat template is asked, for the commands that take --chat. Internal.
#pragma once

#include <string>
#include <string_view>

#include "tersor/tokenizer/tokenizer.h"

namespace tersor {

// Renders `text` (valid UTF-8), a JSON list of messages or what a user says, up to where the assistant's
// answer begins. The template writes the special tokens itself: encode the result without adding any. Throws
// Error(kInput) for a model without a template, and for messages that it refuses.
std::string chat_prompt(const Tokenizer& tokenizer, std::string_view text);

}  // namespace tersor
