#include "tersor/tokenizer/post_processor.h"

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/tokenizer/json_fields.h"
#include "tersor/tokenizer/vocabulary.h"

namespace tersor::tokenizer {
namespace {

constexpr const char* kWhat = "post_processor";

int32_t token_id(const Json& json, const std::string& origin) {
  if (!json.is_number_unsigned() || json.get<uint64_t>() > kMaxTokenId)
    throw input_error(fmt::format("{}: {} is not a token id, in the {}", origin, json.dump(), kWhat));
  return json.get<int32_t>();
}

// ["[SEP]", 102]
int32_t named_token(const Json& json, const char* key, const std::string& origin) {
  const Json& pair = require_field(json, key, origin);
  if (!pair.is_array() || pair.size() != 2)
    throw input_error(fmt::format("{}: `{}` of the {} must be a token and its id", origin, key, kWhat));
  return token_id(pair[1], origin);
}

}  // namespace

void PostProcessor::parse_into(const Json& json, const std::string& origin) {
  const std::string type = component_type(json, kWhat, origin);
  if (type == "Sequence") {
    for (const Json& inner : require_field(json, "processors", origin)) parse_into(inner, origin);
  } else if (type == "TemplateProcessing") {
    const Json& special = require_field(json, "special_tokens", origin);
    std::vector<int32_t> before, behind;
    bool seen = false;
    for (const Json& piece : require_field(json, "single", origin)) {
      if (piece.contains("Sequence")) {
        if (seen) throw input_error(fmt::format("{}: the {} repeats the sequence", origin, kWhat));
        seen = true;
        continue;
      }
      const std::string name = string_field(require_field(piece, "SpecialToken", origin), "id", origin);
      const Json& token = require_field(special, name.c_str(), origin);
      for (const Json& id : require_field(token, "ids", origin))
        (seen ? behind : before).push_back(token_id(id, origin));
    }
    if (!seen) throw input_error(fmt::format("{}: the {} leaves the sequence out", origin, kWhat));
    before_.insert(before_.begin(), before.begin(), before.end());
    behind_.insert(behind_.end(), behind.begin(), behind.end());
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    before_.insert(before_.begin(), named_token(json, "cls", origin));
    behind_.push_back(named_token(json, "sep", origin));
  } else if (type != "ByteLevel") {  // ByteLevel only moves offsets
    unsupported_component(kWhat, type, origin);
  }
}

PostProcessor PostProcessor::parse(const Json& json, const std::string& origin) {
  PostProcessor p;
  if (!json.is_null()) p.parse_into(json, origin);
  return p;
}

}  // namespace tersor::tokenizer
