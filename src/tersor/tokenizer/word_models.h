// The two models that look whole words up: WordLevel (a word is a token or unknown) and WordPiece (the
// longest token that fits, again and again).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/tokenizer/vocabulary.h"

namespace tersor::tokenizer {

class WordLevelModel {
 public:
  WordLevelModel(const Json& json, const std::string& origin);
  const Vocabulary& vocabulary() const { return vocabulary_; }
  // Throws Error(kInput) for an unknown word when the vocabulary lacks the unknown token.
  void encode(std::string_view word, std::vector<int32_t>& out) const;

 private:
  Vocabulary vocabulary_;
  std::string unknown_token_;
  std::optional<int32_t> unknown_id_;
  std::string origin_;
};

class WordPieceModel {
 public:
  WordPieceModel(const Json& json, const std::string& origin);
  const Vocabulary& vocabulary() const { return vocabulary_; }
  // Throws Error(kInput) for an unknown word when the vocabulary lacks the unknown token.
  void encode(std::string_view word, std::vector<int32_t>& out) const;

 private:
  Vocabulary vocabulary_;
  std::string unknown_token_;
  std::optional<int32_t> unknown_id_;
  std::string prefix_;  // of tokens that continue a word
  size_t max_characters_ = 0;
  std::string origin_;
};

}  // namespace tersor::tokenizer
