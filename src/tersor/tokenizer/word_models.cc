#include "tersor/tokenizer/word_models.h"

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/json_fields.h"
#include "tersor/tokenizer/model_json.h"

namespace tersor::tokenizer {
namespace {

void append_unknown(std::optional<int32_t> id, const std::string& token, std::string_view word,
                    const std::string& origin, std::vector<int32_t>& out) {
  if (!id) {
    throw input_error(fmt::format(
        "{}: no token for `{}`, and the unknown token `{}` is not in the vocabulary", origin, word, token));
  }
  out.push_back(*id);
}

}  // namespace

WordLevelModel::WordLevelModel(const Json& json, const std::string& origin)
    : vocabulary_(parse_vocabulary(require_field(json, "vocab", origin), origin)),
      unknown_token_(string_field(json, "unk_token", origin)),
      unknown_id_(vocabulary_.find(unknown_token_)),
      origin_(origin) {}

void WordLevelModel::encode(std::string_view word, std::vector<int32_t>& out) const {
  if (const auto id = vocabulary_.find(word))
    out.push_back(*id);
  else
    append_unknown(unknown_id_, unknown_token_, word, origin_, out);
}

WordPieceModel::WordPieceModel(const Json& json, const std::string& origin)
    : vocabulary_(parse_vocabulary(require_field(json, "vocab", origin), origin)),
      unknown_token_(optional_string_field(json, "unk_token", origin).value_or("[UNK]")),
      unknown_id_(vocabulary_.find(unknown_token_)),
      prefix_(optional_string_field(json, "continuing_subword_prefix", origin).value_or("##")),
      max_characters_(uint_field(json, "max_input_chars_per_word", 100, origin)),
      origin_(origin) {}

void WordPieceModel::encode(std::string_view word, std::vector<int32_t>& out) const {
  const size_t first = out.size();
  bool known = count_code_points(word) <= max_characters_;
  std::string piece;
  for (size_t start = 0; known && start < word.size();) {
    known = false;
    for (size_t end = word.size(); end > start && !known;) {
      piece.assign(start > 0 ? prefix_ : "");
      piece += word.substr(start, end - start);
      if (const auto id = vocabulary_.find(piece)) {
        out.push_back(*id);
        start = end;
        known = true;
      } else {
        end = static_cast<size_t>(previous_utf8(word.data() + end) - word.data());
      }
    }
  }
  if (known) return;
  out.resize(first);
  append_unknown(unknown_id_, unknown_token_, word, origin_, out);
}

}  // namespace tersor::tokenizer
