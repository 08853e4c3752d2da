#include "tersor/tokenizer/model_json.h"

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor::tokenizer {

Vocabulary parse_vocabulary(const Json& json, const std::string& origin) {
  if (!json.is_object()) {
    throw input_error(
        fmt::format("{}: `vocab` must be an object of tokens and ids, is {}", origin, json_kind(json)));
  }
  Vocabulary vocabulary;
  for (const auto& [token, id] : json.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > kMaxTokenId) {
      throw input_error(fmt::format("{}: the token `{}` has the id {}, expected 0 to {}", origin, token,
                                    id.dump(), kMaxTokenId));
    }
    vocabulary.add(token, id.get<int32_t>());
  }
  return vocabulary;
}

}  // namespace tersor::tokenizer
