// What a dataset is made of, before it is tokenized. Internal to datasets/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace tersor::datasets {

struct Text {
  std::string utf8;  // valid
};
struct Messages {
  std::string json;  // a list of chat messages, as ChatTemplate::render takes it
};
struct TokenIds {
  std::vector<int64_t> ids;  // as they were found: not yet held against a vocabulary
};

struct Document {
  std::variant<Text, Messages, TokenIds> content;
  std::string place;  // for errors: "chat.jsonl:17"
};

// An indexed list whose documents are read when they are asked for.
struct Documents {
  size_t count = 0;
  // Throws Error(kInput) naming file, line and byte of what is wrong with document i < count.
  std::function<Document(size_t i)> read;
};

}  // namespace tersor::datasets
