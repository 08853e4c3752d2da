// JSON text to template values, keys in the order of the text, and back.
#pragma once

#include <string>
#include <string_view>

#include "tersor/tokenizer/jinja/value.h"

namespace tersor::jinja {

// Throws Error(kInput) naming `origin` when it is not JSON, or nested deeper than 256 levels.
Value value_from_json(std::string_view text, const std::string& origin);

// How json.dumps writes.
struct JsonStyle {
  bool ensure_ascii = false;
  std::string indent;  // of one level; `lines` says whether there are line ends at all
  bool lines = false;
  std::string item_separator = ", ", key_separator = ": ";
  bool sort_keys = false;
};
// Throws TemplateError for what JSON has no form of.
std::string json_text(const Value& value, const JsonStyle& style);

}  // namespace tersor::jinja
