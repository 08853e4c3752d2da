#include "tersor/tokenizer/bpe_merge.h"

#include <algorithm>
#include <functional>
#include <queue>

namespace tersor::tokenizer {
namespace {

// Above this many symbols the queue wins (measured).
constexpr size_t kShortWord = 64;
constexpr uint64_t kNoMerge = ~uint64_t{0};

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

uint64_t merge_of(const FlatMap64& merges, int32_t left, int32_t right) {
  const uint64_t* found = merges.find(pair_key(left, right));
  return found != nullptr ? *found : kNoMerge;
}

size_t merge_short(std::span<int32_t> ids, const FlatMap64& merges) {
  uint64_t next[kShortWord];  // next[i]: the merge of symbols i and i + 1
  size_t n = ids.size();
  for (size_t i = 0; i + 1 < n; ++i) next[i] = merge_of(merges, ids[i], ids[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (next[i] < next[best]) best = i;
    }
    if (next[best] == kNoMerge) break;
    ids[best] = static_cast<int32_t>(next[best] & 0xFFFFFFFF);
    --n;
    std::copy(ids.begin() + best + 2, ids.begin() + n + 1, ids.begin() + best + 1);
    std::copy(next + best + 1, next + n, next + best);
    if (best + 1 < n) next[best] = merge_of(merges, ids[best], ids[best + 1]);
    if (best > 0) next[best - 1] = merge_of(merges, ids[best - 1], ids[best]);
  }
  return n;
}

size_t merge_long(std::span<int32_t> ids, const FlatMap64& merges) {
  struct Symbol {
    int32_t id, previous, next;  // id -1: merged into its left neighbour
  };
  struct Candidate {
    uint64_t merge;  // rank << 32 | merged id
    int32_t at;
    bool operator>(const Candidate& o) const { return merge != o.merge ? merge > o.merge : at > o.at; }
  };
  std::vector<Symbol> symbols(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto at = static_cast<int32_t>(i);
    symbols[i] = {ids[i], at - 1, i + 1 < ids.size() ? at + 1 : -1};
  }
  std::vector<Candidate> initial;
  const auto candidate = [&](int32_t at) -> Candidate {
    const Symbol& left = symbols[static_cast<size_t>(at)];
    if (left.next < 0) return {kNoMerge, at};
    return {merge_of(merges, left.id, symbols[static_cast<size_t>(left.next)].id), at};
  };
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    const Candidate c = candidate(static_cast<int32_t>(i));
    if (c.merge != kNoMerge) initial.push_back(c);
  }
  std::priority_queue queue(std::greater<Candidate>{}, std::move(initial));
  const auto push = [&](int32_t at) {
    if (at < 0) return;
    const Candidate c = candidate(at);
    if (c.merge != kNoMerge) queue.push(c);
  };
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<size_t>(top.at)];
    if (left.id < 0 || candidate(top.at).merge != top.merge) continue;  // one of the two has merged since
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    left.id = static_cast<int32_t>(top.merge & 0xFFFFFFFF);
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = top.at;
    push(left.previous);
    push(top.at);
  }
  size_t n = 0;
  for (const Symbol& s : symbols) {
    if (s.id >= 0) ids[n++] = s.id;
  }
  return n;
}

}  // namespace

size_t merge_word(std::span<int32_t> ids, const FlatMap64& merges) {
  return ids.size() <= kShortWord ? merge_short(ids, merges) : merge_long(ids, merges);
}

}  // namespace tersor::tokenizer
