// Parts that the models of a tokenizer.json share.
#pragma once

#include <string>

#include "tersor/io/json.h"
#include "tersor/tokenizer/vocabulary.h"

namespace tersor::tokenizer {

// {"token": id, …}. Throws Error(kInput) naming `origin` and the token whose id is not one.
Vocabulary parse_vocabulary(const Json& json, const std::string& origin);

}  // namespace tersor::tokenizer
