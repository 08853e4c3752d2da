#include "tersor/tokenizer/tokenizer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/utf8.h"
#include "tersor/io/file.h"
#include "tersor/io/hash.h"
#include "tersor/io/json.h"
#include "tersor/tokenizer/added_tokens.h"
#include "tersor/tokenizer/bpe.h"
#include "tersor/tokenizer/decoder.h"
#include "tersor/tokenizer/json_fields.h"
#include "tersor/tokenizer/normalizer.h"
#include "tersor/tokenizer/post_processor.h"
#include "tersor/tokenizer/pre_tokenizer.h"
#include "tersor/tokenizer/tokenizer_config.h"
#include "tersor/tokenizer/unigram.h"
#include "tersor/tokenizer/word_cache.h"
#include "tersor/tokenizer/word_models.h"

namespace tersor {

using namespace tokenizer;  // NOLINT: the parts of this class

namespace {

// Normalization can make text longer; offsets into it are 32 bits, and the byte alphabet doubles it once
// more.
constexpr uint64_t kMaxNormalizedBytes = uint64_t{1} << 30;
constexpr uint64_t kMaxJsonBytes = uint64_t{1} << 30;

using Model = std::variant<BpeModel, UnigramModel, WordLevelModel, WordPieceModel>;

Model parse_model(const Json& json, const std::string& origin) {
  // Files from before `type` are told apart by their fields.
  const std::string type = json.is_object() && json.contains("type") ? string_field(json, "type", origin)
                           : json.is_object() && json.contains("merges")
                               ? "BPE"
                               : component_type(json, "model", origin);
  if (type == "BPE") return BpeModel(json, origin);
  if (type == "Unigram") return UnigramModel(json, origin);
  if (type == "WordLevel") return WordLevelModel(json, origin);
  if (type == "WordPiece") return WordPieceModel(json, origin);
  unsupported_component("model", type, origin);
}

// This thread's cache for the tokenizer numbered `instance`; the least recently used of four makes place for
// a new one.
WordCache& thread_cache(uint64_t instance) {
  struct Slot {
    uint64_t instance = 0;
    std::unique_ptr<WordCache> cache;
  };
  thread_local std::array<Slot, 4> slots;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].instance != instance) continue;
    std::rotate(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(i),
                slots.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return *slots[0].cache;
  }
  std::rotate(slots.begin(), slots.end() - 1, slots.end());
  slots[0] = {instance, std::make_unique<WordCache>()};
  return *slots[0].cache;
}

template <class M>
void encode_word(const M& model, std::string_view word, WordCache& cache, std::vector<int32_t>& out) {
  if (word.size() > WordCache::kMaxBytes) return model.encode(word, out);
  const WordCache::Key key(word);
  if (const auto ids = cache.find(key); !ids.empty()) {
    out.insert(out.end(), ids.begin(), ids.end());
    return;
  }
  const size_t first = out.size();
  model.encode(word, out);
  cache.insert(key, std::span(out).subspan(first));
}

template <class M>
void encode_piece(const M& model, std::string_view piece, WordCache& cache, std::vector<int32_t>& out) {
  encode_word(model, piece, cache, out);
}

template <>
void encode_piece(const BpeModel& model, std::string_view piece, WordCache& cache,
                  std::vector<int32_t>& out) {
  const std::string_view marker = model.cut_marker();
  if (marker.empty()) return encode_word(model, piece, cache, out);
  size_t begin = 0;
  for (size_t at = piece.find(marker); at != std::string_view::npos;
       at = piece.find(marker, at + marker.size())) {
    if (at == begin || piece.substr(begin, at - begin).ends_with(marker)) continue;
    encode_word(model, piece.substr(begin, at - begin), cache, out);
    begin = at;
  }
  if (begin < piece.size()) encode_word(model, piece.substr(begin), cache, out);
}

uint64_t hash_of_contents(std::string_view json, const TokenizerConfig& beside) {
  std::string all = hash_hex(json);
  const auto add = [&](std::string_view text) { all += hash_hex(text); };
  for (const auto* map : {&beside.special_tokens, &beside.chat_templates}) {
    for (const auto& [name, text] : *map) add(name), add(text);
    add("");  // where one list ends
  }
  for (const AddedToken& token : beside.added_tokens) {
    add(token.content);
    add(std::string{"01"[token.single_word], "01"[token.lstrip], "01"[token.rstrip], "01"[token.normalized],
                    "01"[token.special]});
  }
  return hash64(std::as_bytes(std::span(all)));
}

}  // namespace

struct Tokenizer::Impl {
  uint64_t instance;  // names this tokenizer in the threads' caches
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  size_t pre_tokenizer_steps;  // of them, those that run: the last may be part of the model
  Model model;
  PostProcessor post_processor;
  Decoder decoder;
  AddedTokens added;
  TokenizerConfig config;
  uint64_t content_hash = 0;

  Impl(const Json& json, const std::string& origin, TokenizerConfig beside);
  static std::shared_ptr<const Impl> make(std::string_view text, const std::string& origin,
                                          TokenizerConfig beside);

  const Vocabulary& vocabulary() const {
    return std::visit([](const auto& m) -> const Vocabulary& { return m.vocabulary(); }, model);
  }
  // Entries of the model's vocabulary; a Unigram list may hold a token twice.
  size_t model_size() const {
    const auto* unigram = std::get_if<UnigramModel>(&model);
    return unigram != nullptr ? unigram->vocabulary_size() : vocabulary().size();
  }
  std::optional<int32_t> find(std::string_view token) const {
    const auto id = added.find(token);
    return id ? id : vocabulary().find(token);
  }
  std::optional<std::string_view> token(int32_t id) const {
    const auto text = added.token(id);
    return text ? text : vocabulary().token(id);
  }

  // One above the greatest id.
  size_t id_limit() const {
    const size_t above_added =
        added.by_id().empty() ? 0 : static_cast<size_t>(added.by_id().rbegin()->first) + 1;
    return std::max(vocabulary().id_limit(), above_added);
  }

  void add_tokens(std::vector<AddedToken> tokens);
  void check_ids_of_post_processor(const std::string& origin) const;
  void encode_text(std::string_view text, bool at_start, Pieces& pieces, std::vector<int32_t>& out) const;
};

Tokenizer::Impl::Impl(const Json& json, const std::string& origin, TokenizerConfig beside)
    : instance([] {
        static std::atomic<uint64_t> count{0};
        return ++count;
      }()),
      normalizer(parse_normalizer(json.value("normalizer", Json()), origin)),
      pre_tokenizer(parse_pre_tokenizer(json.value("pre_tokenizer", Json()), origin)),
      pre_tokenizer_steps(pre_tokenizer.size()),
      model(parse_model(require_field(json, "model", origin), origin)),
      post_processor(PostProcessor::parse(json.value("post_processor", Json()), origin)),
      decoder(Decoder::parse(json.value("decoder", Json()), origin)),
      config(std::move(beside)) {
  auto* bpe = std::get_if<BpeModel>(&model);
  if (bpe != nullptr && !pre_tokenizer.empty() && std::holds_alternative<ByteMapStep>(pre_tokenizer.back()) &&
      bpe->use_bytes()) {
    --pre_tokenizer_steps;
  }
  std::vector<AddedToken> tokens;
  const Json listed = json.value("added_tokens", Json());
  for (const Json& token : listed) tokens.push_back(parse_added_token(token, origin));
  add_tokens(std::move(tokens));

  std::vector<AddedToken> later;
  for (const AddedToken& token : config.added_tokens) {
    if (!added.find(token.content)) later.push_back(token);
  }
  add_tokens(std::move(later));
  added.build_matchers();
  check_ids_of_post_processor(origin);
}

// A model has no embedding for ids beyond its tokens.
void Tokenizer::Impl::check_ids_of_post_processor(const std::string& origin) const {
  for (const auto* ids : {&post_processor.before(), &post_processor.behind()}) {
    for (const int32_t id : *ids) {
      if (id >= 0 && static_cast<size_t>(id) < id_limit()) continue;
      throw input_error(fmt::format("{}: the post_processor adds the id {}, but the tokens' ids end below {}",
                                    origin, id, id_limit()),
                        "the file is of another vocabulary, or tokens were removed from it by hand");
    }
  }
}

// The ids that a file gives its added tokens are not read: a token of the model's vocabulary has its id
// there, others follow the vocabulary in the order of the list. So does the reference.
void Tokenizer::Impl::add_tokens(std::vector<AddedToken> tokens) {
  auto next = static_cast<int32_t>(model_size());
  if (!added.by_id().empty()) next = std::max(next, added.by_id().rbegin()->first + 1);
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    const auto known = find(token.content);
    token.id = known ? *known : next++;
    added.add(std::move(token), normalizer);
  }
}

void Tokenizer::Impl::encode_text(std::string_view text, bool at_start, Pieces& pieces,
                                  std::vector<int32_t>& out) const {
  pieces.reset(text, at_start);
  pre_tokenize(pre_tokenizer, pre_tokenizer_steps, pieces);
  WordCache& cache = thread_cache(instance);
  std::visit(
      [&](const auto& m) {
        for (const Span& span : pieces.spans) encode_piece(m, span.in(pieces.text), cache, out);
      },
      model);
}

std::shared_ptr<const Tokenizer::Impl> Tokenizer::Impl::make(std::string_view text, const std::string& origin,
                                                             TokenizerConfig beside) {
  const Json json = parse_json(text, origin);
  if (!json.is_object())
    throw input_error(fmt::format("{}: expected an object, found {}", origin, json_kind(json)));
  try {
    auto impl = std::make_shared<Impl>(json, origin, std::move(beside));
    impl->content_hash = hash_of_contents(text, impl->config);
    return impl;
  } catch (const Json::exception& e) {
    throw input_error(fmt::format("{}: not the layout of a tokenizer.json: {}", origin, e.what()));
  }
}

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "tokenizer.json";
  if (!std::filesystem::exists(file)) {
    const bool has_model = std::filesystem::exists(folder / "tokenizer.model");
    throw input_error(
        fmt::format("{}: no such file", file.string()),
        has_model
            ? "the folder has a SentencePiece tokenizer.model only; save the tokenizer once with "
              "transformers to get a tokenizer.json"
            : "the tokenizer is read from tokenizer.json, which lies beside the model's weights on the Hub");
  }
  return Tokenizer(Impl::make(read_file(file, kMaxJsonBytes), file.string(), read_tokenizer_config(folder)));
}

Tokenizer Tokenizer::from_json(std::string_view text, const std::string& origin) {
  return Tokenizer(Impl::make(text, origin, TokenizerConfig{}));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  if (text.size() > kMaxTextBytes) {
    throw input_error(fmt::format("a text of {} bytes is too long to encode at once", text.size()),
                      "encode it document by document");
  }
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = replace_invalid_utf8(text);

  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 16);
  const auto append = [&](const std::vector<int32_t>& more) {
    ids.insert(ids.end(), more.begin(), more.end());
  };
  if (add_special_tokens) append(impl_->post_processor.before());
  std::vector<AddedTokens::Part> raw_parts, parts;
  Pieces pieces;
  NormalizerBuffers buffers;
  impl_->added.split_raw(text, raw_parts);
  for (const AddedTokens::Part& raw : raw_parts) {
    if (raw.token >= 0) {
      ids.push_back(raw.token);
      continue;
    }
    const auto [normal, keeps_start] =
        normalize(impl_->normalizer, text.substr(raw.begin, raw.end - raw.begin), buffers);
    if (normal.size() > kMaxNormalizedBytes) throw input_error("the text grows beyond 1 GiB when normalized");
    const bool at_start = raw.begin == 0 && keeps_start;
    parts.clear();
    impl_->added.split_normalized(normal, parts);
    for (const AddedTokens::Part& part : parts) {
      if (part.token >= 0)
        ids.push_back(part.token);
      else
        impl_->encode_text(normal.substr(part.begin, part.end - part.begin), at_start && part.begin == 0,
                           pieces, ids);
    }
  }
  if (add_special_tokens) append(impl_->post_processor.behind());
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    const auto token = impl_->token(id);
    if (token && !(skip_special_tokens && impl_->added.is_special(*token))) tokens.emplace_back(*token);
  }
  return impl_->decoder.decode(std::move(tokens));
}

size_t Tokenizer::vocab_size() const {
  size_t size = impl_->model_size();
  for (const auto& [content, id] : impl_->added.ids()) size += !impl_->vocabulary().find(content);
  return size;
}

uint64_t Tokenizer::content_hash() const { return impl_->content_hash; }

size_t Tokenizer::id_limit() const { return impl_->id_limit(); }

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const { return impl_->find(token); }

std::optional<std::string> Tokenizer::id_to_token(int32_t id) const {
  const auto token = impl_->token(id);
  return token ? std::optional<std::string>(*token) : std::nullopt;
}

const std::map<std::string, std::string>& Tokenizer::special_tokens() const {
  return impl_->config.special_tokens;
}

std::optional<int32_t> Tokenizer::special_token_id(const std::string& name) const {
  const auto it = special_tokens().find(name);
  return it == special_tokens().end() ? std::nullopt : token_to_id(it->second);
}

const std::map<std::string, std::string>& Tokenizer::chat_templates() const {
  return impl_->config.chat_templates;
}

namespace {

constexpr std::string_view kIncomplete = "\xEF\xBF\xBD";

// `text` behind the part that it shares with `prefix`, from a character's start.
std::string_view behind_prefix(std::string_view text, std::string_view prefix) {
  auto shared = static_cast<size_t>(
      std::mismatch(text.begin(), text.end(), prefix.begin(), prefix.end()).first - text.begin());
  while (shared > 0 && shared < text.size() && (static_cast<uint8_t>(text[shared]) & 0xC0) == 0x80) --shared;
  return text.substr(shared);
}

}  // namespace

std::string StreamDecoder::push(int32_t id) {
  if (prefix_.empty() && !ids_.empty()) {
    std::string text = tokenizer_.decode(ids_, skip_special_tokens_);
    if (!text.ends_with(kIncomplete)) {
      prefix_ = std::move(text);
      printed_ = ids_.size();
    }
  }
  ids_.push_back(id);
  const std::string text = tokenizer_.decode(ids_, skip_special_tokens_);
  if (text.size() <= prefix_.size() || text.ends_with(kIncomplete)) return "";
  std::string fresh(behind_prefix(text, prefix_));
  ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(printed_));
  prefix_ = tokenizer_.decode(ids_, skip_special_tokens_);
  printed_ = ids_.size();
  return fresh;
}

std::string StreamDecoder::finish() {
  const std::string text = tokenizer_.decode(ids_, skip_special_tokens_);
  std::string fresh(behind_prefix(text, prefix_));
  ids_.clear();
  printed_ = 0;
  prefix_.clear();
  return fresh;
}

}  // namespace tersor
