// Turns tokens back into text.
//
// A decoder of a tokenizer.json becomes a list of steps over a list of strings, which are joined at the end.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/tokenizer/split_pattern.h"

namespace tersor::tokenizer {

struct ByteLevelDecode {};  // byte alphabet → bytes; ill-formed UTF-8 becomes U+FFFD
struct ByteFallbackDecode {
};                     // runs of <0x00>…<0xFF> → their bytes, or one U+FFFD each when those are not UTF-8
struct FuseDecode {};  // all strings into one
struct MetaspaceDecode {
  std::string replacement;
  bool drops_first = true;  // the first token's marks are not spaces
};
struct StripDecode {  // up to `start` leading and `stop` trailing `content` of every string
  std::string content;
  size_t start = 0, stop = 0;
};
struct ReplaceDecode {
  SplitPattern pattern;
  std::string content;
};
struct WordPieceDecode {
  std::string prefix;
  bool cleanup = true;
};
struct BpeSuffixDecode {  // `suffix` → a space, nothing in the last string
  std::string suffix;
};

using DecoderStep = std::variant<ByteLevelDecode, ByteFallbackDecode, FuseDecode, MetaspaceDecode,
                                 StripDecode, ReplaceDecode, WordPieceDecode, BpeSuffixDecode>;

class Decoder {
 public:
  // Reads the `decoder` object (null: tokens are joined by spaces); `origin` names the file in errors.
  static Decoder parse(const Json& json, const std::string& origin);

  // The result is valid UTF-8 when the tokens are.
  std::string decode(std::vector<std::string> tokens) const;

 private:
  bool joins_with_spaces_ = false;
  std::vector<DecoderStep> steps_;
};

}  // namespace tersor::tokenizer
