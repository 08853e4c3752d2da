#include "tersor/datasets/sampling.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/datasets/calibration_data.h"
#include "tersor/tokenizer/chat_template.h"

namespace tersor::datasets {
namespace {

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }

  // Each of [0, bound) alike: numbers of the last, incomplete run of `bound` are drawn again.
  uint64_t below(uint64_t bound) {
    const uint64_t incomplete = (std::numeric_limits<uint64_t>::max() % bound + 1) % bound;
    uint64_t value = next();
    while (value > std::numeric_limits<uint64_t>::max() - incomplete) value = next();
    return value % bound;
  }

 private:
  uint64_t state_;
};

// Noon of 26 July 2024, UTC: what a template that prints the date gets, so that the tokens are the same every
// day. It is the date that Llama 3's own template falls back on.
constexpr std::time_t kTemplateTime = 1721995200;

// A token of ordinary text is shorter; used to encode only as much of a long text as is needed.
constexpr size_t kBytesPerToken = 32;

using Ids = std::vector<int32_t>;

// Encodes documents, whole or only as far as tokens are needed.
class Encoder {
 public:
  Encoder(const Tokenizer& tokenizer, uint64_t vocab_size) : tokenizer_(tokenizer), vocab_size_(vocab_size) {
    // What the tokenizer puts around a text, read off a text of one letter.
    const Ids with = tokenizer.encode("a", true), without = tokenizer.encode("a", false);
    const auto body = std::ranges::search(with, without);
    prefix_.assign(with.begin(), body.begin());
    suffix_.assign(body.end(), with.end());
  }

  const Ids& prefix() const { return prefix_; }

  // The document's ids, cut off so that at most `limit` are left.
  Ids cut(const Document& document, size_t limit) { return encode(document, limit, true); }
  // At least `limit` ids from the document's start, or all.
  Ids whole(const Document& document, size_t limit) { return encode(document, limit, false); }

 private:
  Ids encode(const Document& document, size_t limit, bool cut_off) {
    Ids ids;
    if (const auto* text = std::get_if<Text>(&document.content)) {
      const size_t around = prefix_.size() + suffix_.size();
      ids = start_of(text->utf8, limit);
      if (cut_off && ids.size() + around > limit) ids.resize(limit - std::min(limit, around));
      ids.insert(ids.begin(), prefix_.begin(), prefix_.end());
      ids.insert(ids.end(), suffix_.begin(), suffix_.end());
    } else if (const auto* messages = std::get_if<Messages>(&document.content)) {
      ids = start_of(render(*messages, document.place), limit);
    } else {
      ids = checked(std::get<TokenIds>(document.content), document.place);
    }
    check_vocabulary(ids, document.place);
    if (cut_off && ids.size() > limit) ids.resize(limit);
    return ids;
  }

  // The text's first `limit` ids, or some more.
  Ids start_of(std::string_view text, size_t limit) const {
    for (size_t bytes = limit * kBytesPerToken; bytes < text.size(); bytes *= 2) {
      const size_t line_end = text.rfind('\n', bytes);
      if (line_end == text.npos) continue;
      // What follows changes at most the last few tokens.
      Ids ids = tokenizer_.encode(text.substr(0, line_end), false);
      if (ids.size() >= 2 * limit) return ids;
    }
    return tokenizer_.encode(text, false);
  }

  std::string render(const Messages& messages, const std::string& place) {
    if (!chat_) {
      if (tokenizer_.chat_templates().empty()) {
        throw usage_error(fmt::format("{}: chat messages, but the model has no chat template", place),
                          "name a column of plain text with `--text-column`, or take the template of the "
                          "instruct version of the model: save it as chat_template.jinja beside config.json");
      }
      chat_.emplace(ChatTemplate::of(tokenizer_));
    }
    try {
      return chat_
          ->render(messages.json, {.tools = "", .documents = "", .variables = "", .now = kTemplateTime})
          .text;
    } catch (const Error& e) {
      throw Error(e.code(), fmt::format("{}: {}", place, e.what()), e.help());
    }
  }

  Ids checked(const TokenIds& found, const std::string& place) const {
    Ids ids(found.ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (found.ids[i] < 0 || found.ids[i] > std::numeric_limits<int32_t>::max())
        refuse(place, i, fmt::format("{}", found.ids[i]));
      ids[i] = static_cast<int32_t>(found.ids[i]);
    }
    return ids;
  }

  void check_vocabulary(const Ids& ids, const std::string& place) const {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (static_cast<uint64_t>(ids[i]) >= vocab_size_) refuse(place, i, fmt::format("{}", ids[i]));
    }
  }

  [[noreturn]] void refuse(const std::string& place, size_t position, const std::string& id) const {
    throw input_error(fmt::format("{}: token id {} at position {}, but the model has {} tokens (0 to {})",
                                  place, id, position, format_count(vocab_size_), vocab_size_ - 1),
                      "the data was tokenized for another model, or the tokenizer is another model's");
  }

  const Tokenizer& tokenizer_;
  uint64_t vocab_size_;
  Ids prefix_, suffix_;
  std::optional<ChatTemplate> chat_;
};

// Documents in their own order, or shuffled.
class Order {
 public:
  Order(size_t count, const SamplingOptions& options)
      : count_(count),
        shuffled_(options.shuffle ? shuffled_order(count, options.seed) : std::vector<size_t>()) {}

  size_t count() const { return count_; }
  size_t operator[](size_t i) const { return shuffled_.empty() ? i : shuffled_[i]; }

 private:
  size_t count_;
  std::vector<size_t> shuffled_;
};

Samples one_per_document(const Documents& documents, const Order& order, Encoder& encoder,
                         const SamplingOptions& options) {
  Samples out;
  for (size_t i = 0; i < order.count() && out.ids.size() < options.samples; ++i) {
    Ids ids = encoder.cut(documents.read(order[i]), options.max_seq_length);
    ++out.documents_read;
    if (ids.size() < kMinSampleTokens) {
      ++out.too_short;
      continue;
    }
    out.ids.push_back(std::move(ids));
  }
  return out;
}

Samples packed(const Documents& documents, const Order& order, Encoder& encoder,
               const SamplingOptions& options) {
  const Ids& prefix = encoder.prefix();
  // A sample that had room for nothing but its prefix would go on for ever.
  const bool has_room = prefix.size() < options.max_seq_length;
  Samples out;
  Ids sample;
  for (size_t i = 0; i < order.count(); ++i) {
    const size_t missing = options.samples - out.ids.size();
    if (missing == 0 && !options.draw_pieces) break;
    const Ids ids = encoder.whole(documents.read(order[i]),
                                  options.draw_pieces ? std::numeric_limits<size_t>::max() / kBytesPerToken
                                                      : missing * options.max_seq_length);
    ++out.documents_read;
    for (size_t at = 0; at < ids.size();) {
      if (sample.empty() && at > 0 && has_room) sample = prefix;
      const size_t take = std::min(options.max_seq_length - sample.size(), ids.size() - at);
      sample.insert(sample.end(), ids.begin() + static_cast<std::ptrdiff_t>(at),
                    ids.begin() + static_cast<std::ptrdiff_t>(at + take));
      at += take;
      if (sample.size() == options.max_seq_length) out.ids.push_back(std::move(sample)), sample.clear();
    }
  }
  if (out.ids.empty() && sample.size() >= kMinSampleTokens) out.ids.push_back(std::move(sample));
  return out;
}

}  // namespace

std::vector<size_t> shuffled_order(size_t count, uint64_t seed) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  SplitMix64 random(seed);
  for (size_t i = count; i-- > 1;) std::swap(order[i], order[random.below(i + 1)]);
  return order;
}

Samples draw_samples(const Documents& documents, const Tokenizer& tokenizer, const SamplingOptions& options,
                     uint64_t vocab_size) {
  const Order order(documents.count, options);
  Encoder encoder(tokenizer, vocab_size);
  if (!options.packing) return one_per_document(documents, order, encoder, options);
  Samples out = packed(documents, order, encoder, options);
  if (options.shuffle && options.draw_pieces) {
    std::vector<std::vector<int32_t>> drawn;
    for (const size_t i : shuffled_order(out.ids.size(), options.seed))
      drawn.push_back(std::move(out.ids[i]));
    out.ids = std::move(drawn);
  }
  if (out.ids.size() > options.samples) out.ids.resize(options.samples);
  return out;
}

}  // namespace tersor::datasets
