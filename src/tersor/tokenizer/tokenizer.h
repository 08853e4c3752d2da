// Text to token ids and back, token for token as Hugging Face's tokenizers does it, from a model's
// tokenizer.json.
//
//   input ─ added tokens (raw) ─ normalizer ─ added tokens (normalized) ─ pre_tokenizer ─ model ─
//   post_processor ─ ids ids ─ tokens ─ decoder ─ text
//
// `truncation` and `padding` of a tokenizer.json are not applied, as transformers does not unless it is asked
// to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor {

// Immutable and cheap to copy; every method may be called from several threads at once. Each thread keeps a
// word cache of 1 MiB for each of the four tokenizers that it used last.
class Tokenizer {
 public:
  // What encode() takes at once.
  static constexpr uint64_t kMaxTextBytes = uint64_t{512} << 20;

  // Opens tokenizer.json in `folder`, and what stands beside it: special tokens and chat templates from
  // tokenizer_config.json, special_tokens_map.json, chat_template.jinja and
  // additional_chat_templates/*.jinja. As transformers 5 does, tokenizer.json alone decides which special
  // tokens encode() adds: add_bos_token and add_eos_token of tokenizer_config.json are not used. Throws
  // Error(kInput) naming the file, and the component when it is one that we do not know.
  static Tokenizer load(const std::filesystem::path& folder);

  // From the text of a tokenizer.json; `origin` names it in errors.
  static Tokenizer from_json(std::string_view text, const std::string& origin);

  // The ids of `text`, with the special tokens of the post-processor around it when `add_special_tokens`.
  // Special tokens written out in the text become their ids. Text that is not valid UTF-8 is read with U+FFFD
  // for each ill-formed part. Throws Error(kInput) for text above 512 MiB, and for text that the model has no
  // tokens for (no unknown token).
  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens = true) const;

  // The text of `ids`, valid UTF-8 (U+FFFD for tokens that end inside a character). Ids that name no token
  // are left out, and special tokens too with `skip_special_tokens`.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens = false) const;

  // Distinct tokens, added ones included.
  size_t vocab_size() const;
  // One above the greatest id: the least number of embedding rows that a model needs.
  size_t id_limit() const;
  std::optional<int32_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(int32_t id) const;

  // Of everything that encode() and the chat templates depend on: equal for the same files.
  uint64_t content_hash() const;

  // "bos_token" → "<s>", and so on, from tokenizer_config.json and special_tokens_map.json.
  const std::map<std::string, std::string>& special_tokens() const;
  // The id of a special token by name ("eos_token"), nullopt when the model has none.
  std::optional<int32_t> special_token_id(const std::string& name) const;

  // Jinja sources by name; the usual one is "default". Empty when the model has no chat template.
  const std::map<std::string, std::string>& chat_templates() const;

 private:
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  std::shared_ptr<const Impl> impl_;
};

// Text that grows token by token, for output while a model generates: characters appear once they are whole.
// One generation's: not safe to share between threads.
class StreamDecoder {
 public:
  StreamDecoder(Tokenizer tokenizer, bool skip_special_tokens)
      : tokenizer_(std::move(tokenizer)), skip_special_tokens_(skip_special_tokens) {}

  // The text that this token completes, often empty.
  std::string push(int32_t id);
  // What is left at the end: U+FFFD for a character that stayed incomplete.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  // The last ids, of which the first `printed_` have their text, `prefix_`, printed: tokens decode
  // differently at the start of a text, so those before the next are kept.
  std::vector<int32_t> ids_;
  size_t printed_ = 0;
  std::string prefix_;
};

}  // namespace tersor
