#include "tersor/entrypoints/chat_prompt.h"

#include "tersor/io/json.h"
#include "tersor/tokenizer/chat_template.h"

namespace tersor {
namespace {

// A list of objects: no one begins to say something with "[{".
bool is_messages(std::string_view text) {
  constexpr const char* kBlanks = " \t\r\n";
  size_t at = text.find_first_not_of(kBlanks);
  if (at == std::string_view::npos || text[at] != '[') return false;
  at = text.find_first_not_of(kBlanks, at + 1);
  return at != std::string_view::npos && text[at] == '{';
}

}  // namespace

std::string chat_prompt(const Tokenizer& tokenizer, std::string_view text) {
  const ChatTemplate chat = ChatTemplate::of(tokenizer);
  if (is_messages(text)) return chat.render(text, true);
  return chat.render(Json::array({{{"role", "user"}, {"content", text}}}).dump(), true);
}

}  // namespace tersor
