// Rewrites text before it is cut: Unicode forms, case, replacements.
//
// A normalizer of a tokenizer.json becomes a list of steps, applied in order.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/tokenizer/charsmap.h"
#include "tersor/tokenizer/split_pattern.h"
#include "tersor/tokenizer/unicode_normalize.h"

namespace tersor::tokenizer {

struct UnicodeFormStep {
  NormalForm form = NormalForm::kNfc;
};
struct LowercaseStep {};
struct StripStep {  // white space
  bool left = true, right = true;
};
struct StripAccentsStep {};
struct ReplaceStep {
  SplitPattern pattern;
  std::string content;
};
struct PrependStep {  // not to empty text
  std::string text;
};
struct NmtStep {};  // SentencePiece's clean-up of control characters and rare spaces
struct CharsmapStep {
  std::shared_ptr<const Charsmap> map;
};
struct BertStep {
  bool clean_text = true, handle_chinese_chars = true, strip_accents = true, lowercase = true;
};
struct ByteLevelStep {};  // every byte as its character of the byte alphabet

using NormalizerStep = std::variant<UnicodeFormStep, LowercaseStep, StripStep, StripAccentsStep, ReplaceStep,
                                    PrependStep, NmtStep, CharsmapStep, BertStep, ByteLevelStep>;

// Reads the `normalizer` object (null: no step); `origin` names the file in errors.
std::vector<NormalizerStep> parse_normalizer(const Json& json, const std::string& origin);

// Storage that normalize() reuses.
struct NormalizerBuffers {
  std::string text, next;
  Spans spans;
};

struct NormalizedText {
  std::string_view text;    // of the input, or of the buffers
  bool keeps_start = true;  // the input's first character was not removed
};

// Applies the steps to valid UTF-8.
NormalizedText normalize(const std::vector<NormalizerStep>& steps, std::string_view input,
                         NormalizerBuffers& buffers);

}  // namespace tersor::tokenizer
