// The unigram language model: of all ways to cut a word into tokens, the one whose scores add up highest
// (Viterbi). Kudo, "Subword Regularization", 2018.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/tokenizer/flat_map.h"
#include "tersor/tokenizer/vocabulary.h"

namespace tersor::tokenizer {

// Immutable once made; safe to use from several threads at once.
class UnigramModel {
 public:
  // Reads the `model` object: `vocab` is a list of [token, score], ids are places in it.
  UnigramModel(const Json& json, const std::string& origin);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  size_t vocabulary_size() const { return scores_.size(); }

  // Appends the ids of one word. Adjacent unknown characters become one unknown token, or their bytes' tokens
  // with byte_fallback. Throws Error(kInput) for an unknown character when the model has no unknown token.
  void encode(std::string_view word, std::vector<int32_t>& out) const;

 private:
  void append_unknown(std::string_view text, std::vector<int32_t>& out) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;  // by id
  std::optional<int32_t> unknown_id_;
  double unknown_score_ = 0;
  bool byte_fallback_ = false;
  std::string origin_;

  // A trie of the tokens' bytes: node << 8 | byte → child. Node 0 is the root.
  FlatMap64 children_;
  std::vector<int32_t> token_of_node_;  // -1: no token ends here
};

}  // namespace tersor::tokenizer
