// Tokens that are found in the text itself, before the model sees it: `<|im_start|>`, `</s>`, …
//
// Those with `normalized` false are found in the raw text; the others, in their own normalized form, in the
// normalized text between them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/tokenizer/normalizer.h"

namespace tersor::tokenizer {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and behind it
  bool normalized = true;
  bool special = false;  // left out of decoded text when asked
};

AddedToken parse_added_token(const Json& json, const std::string& origin);

// Finds a set of strings: at each place the longest, places from left to right.
class TokenMatcher {
 public:
  void add(std::string_view text, int32_t value);

  struct Match {
    size_t begin, end;
    int32_t value;
  };
  std::optional<Match> find(std::string_view text, size_t from) const;
  bool empty() const { return nodes_.empty(); }

 private:
  struct Node {
    std::map<uint8_t, uint32_t> children;
    int32_t value = -1;
  };
  std::vector<Node> nodes_;
  bool starts_[256] = {};  // bytes that some string begins with
};

class AddedTokens {
 public:
  // Adds a token; `normalizer` gives the form in which a normalized one is searched.
  void add(AddedToken token, const std::vector<NormalizerStep>& normalizer);
  // Call after the last add().
  void build_matchers();

  std::optional<int32_t> find(std::string_view content) const;
  // The text that decoding starts from: the normalized form of a normalized token, else its content.
  std::optional<std::string_view> token(int32_t id) const;
  bool is_special(std::string_view token) const;
  const std::map<int32_t, AddedToken>& by_id() const { return by_id_; }
  const std::map<std::string, int32_t, std::less<>>& ids() const { return ids_; }

  // A stretch of text: an added token, or (token -1) text for the model.
  struct Part {
    size_t begin, end;
    int32_t token;
  };
  // The parts of raw text, by the tokens with `normalized` false; and of normalized text, by the others.
  // Parts of text are never empty; parts may be missing where a token stripped white space.
  void split_raw(std::string_view text, std::vector<Part>& out) const { split(raw_, text, out); }
  void split_normalized(std::string_view text, std::vector<Part>& out) const {
    split(normalized_, text, out);
  }

 private:
  void split(const TokenMatcher& matcher, std::string_view text, std::vector<Part>& out) const;

  std::map<int32_t, AddedToken> by_id_;
  std::map<std::string, int32_t, std::less<>> ids_;
  std::map<int32_t, std::string> normalized_form_;  // where it differs from the content
  std::map<std::string, bool, std::less<>> special_;
  TokenMatcher raw_, normalized_;
};

}  // namespace tersor::tokenizer
