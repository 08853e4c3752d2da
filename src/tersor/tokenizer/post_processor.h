// Puts special tokens around an encoded sequence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tersor/io/json.h"

namespace tersor::tokenizer {

// Tokens before and behind the sequence. A chain of post-processors (the outer ones last) comes down to this
// for a single sequence, since none of them looks at the tokens between.
class PostProcessor {
 public:
  // Reads the `post_processor` object (null: nothing is added); `origin` names the file in errors.
  static PostProcessor parse(const Json& json, const std::string& origin);

  const std::vector<int32_t>& before() const { return before_; }
  const std::vector<int32_t>& behind() const { return behind_; }

 private:
  void parse_into(const Json& json, const std::string& origin);

  std::vector<int32_t> before_, behind_;
};

}  // namespace tersor::tokenizer
