#include "tersor/tokenizer/unigram.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/tokenizer/json_fields.h"

namespace tersor::tokenizer {
namespace {

// An unknown character scores this much below the worst token, as SentencePiece has it.
constexpr double kUnknownPenalty = 10.0;

// The best way to cut the text up to here.
struct Best {
  double score = 0;
  uint32_t start = 0;  // where its last token starts
  int32_t id = -1;     // its last token; -1: not reached yet
};

}  // namespace

UnigramModel::UnigramModel(const Json& json, const std::string& origin) : origin_(origin) {
  const Json& vocab = require_field(json, "vocab", origin);
  if (!vocab.is_array())
    throw input_error(fmt::format("{}: a Unigram `vocab` must be a list, is {}", origin, json_kind(vocab)));
  if (vocab.size() > kMaxTokenId)
    throw input_error(fmt::format("{}: {} tokens are too many", origin, vocab.size()));
  token_of_node_.push_back(-1);
  for (const Json& entry : vocab) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      throw input_error(
          fmt::format("{}: the Unigram token {} is not a pair of text and score", origin, entry.dump()));
    }
    const auto id = static_cast<int32_t>(scores_.size());
    const auto& token = entry[0].get_ref<const std::string&>();
    scores_.push_back(entry[1].get<double>());
    vocabulary_.add(token, id);
    uint64_t node = 0;
    for (const char c : token) {
      const uint64_t key = node << 8 | static_cast<uint8_t>(c);
      const uint64_t* child = children_.find(key);
      if (child == nullptr) {
        children_.insert(key, token_of_node_.size());
        node = token_of_node_.size();
        token_of_node_.push_back(-1);
      } else {
        node = *child;
      }
    }
    if (node != 0) token_of_node_[node] = id;
  }
  if (json.contains("unk_id") && !json["unk_id"].is_null()) {
    const uint64_t unknown = uint_field(json, "unk_id", origin);
    if (unknown >= scores_.size())
      throw input_error(fmt::format("{}: the unk_id {} is beyond the vocabulary", origin, unknown));
    unknown_id_ = static_cast<int32_t>(unknown);
  }
  byte_fallback_ = bool_field(json, "byte_fallback", false, origin);
  if (!scores_.empty()) unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
}

void UnigramModel::append_unknown(std::string_view text, std::vector<int32_t>& out) const {
  if (const auto id = vocabulary_.find(text)) return out.push_back(*id);
  if (byte_fallback_) {
    const size_t first = out.size();
    for (const char c : text) {
      const auto id = vocabulary_.find(fmt::format("<0x{:02X}>", static_cast<uint8_t>(c)));
      if (!id) break;
      out.push_back(*id);
    }
    if (out.size() - first == text.size()) return;
    out.resize(first);
  }
  out.push_back(*unknown_id_);
}

void UnigramModel::encode(std::string_view word, std::vector<int32_t>& out) const {
  thread_local std::vector<Best> best;
  best.assign(word.size() + 1, Best{});
  const auto reach = [&](size_t start, size_t end, int32_t id, double score) {
    Best& b = best[end];
    const double total = score + best[start].score;
    if (b.id < 0 || total > b.score) b = {total, static_cast<uint32_t>(start), id};
  };
  for (size_t start = 0; start < word.size();) {
    const size_t length = utf8_length(word[start]);
    bool has_single = false;  // a token of just this character
    uint64_t node = 0;
    for (size_t end = start; end < word.size();) {
      const uint64_t* child = children_.find(node << 8 | static_cast<uint8_t>(word[end++]));
      if (child == nullptr) break;
      node = *child;
      const int32_t id = token_of_node_[node];
      if (id < 0) continue;
      reach(start, end, id, scores_[static_cast<size_t>(id)]);
      has_single |= end - start == length;
    }
    if (!has_single) {
      if (!unknown_id_) {
        throw input_error(fmt::format("{}: the Unigram model has no token for `{}`, and no unknown token",
                                      origin_, word.substr(start, length)));
      }
      reach(start, start + length, *unknown_id_, unknown_score_);
    }
    start += length;
  }
  // Back along the best path; a run of unknown characters counts as one piece.
  struct Piece {
    uint32_t start, end;
    int32_t id;
  };
  thread_local std::vector<Piece> path;
  path.clear();
  for (auto end = static_cast<uint32_t>(word.size()); end > 0; end = best[end].start) {
    const Best& b = best[end];
    if (b.id == unknown_id_ && !path.empty() && path.back().id == unknown_id_)
      path.back().start = b.start;
    else
      path.push_back({b.start, end, b.id});
  }
  for (size_t i = path.size(); i-- > 0;) {
    const Piece& piece = path[i];
    if (piece.id == unknown_id_)
      append_unknown(word.substr(piece.start, piece.end - piece.start), out);
    else
      out.push_back(piece.id);
  }
}

}  // namespace tersor::tokenizer
