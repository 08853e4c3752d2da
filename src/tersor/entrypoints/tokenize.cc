#include "tersor/entrypoints/tokenize.h"

#include <charconv>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/base/utf8.h"
#include "tersor/entrypoints/chat_prompt.h"
#include "tersor/io/file.h"
#include "tersor/io/hub_cache.h"
#include "tersor/tokenizer/tokenizer.h"

namespace tersor {
namespace {

// "1 2 3", "1,2,3" and "[1, 2, 3]".
std::vector<int32_t> parse_ids(std::string_view text, const Tokenizer& tokenizer) {
  constexpr std::string_view kBetween = " \t\r\n,[]";
  std::vector<int32_t> ids;
  for (size_t at = text.find_first_not_of(kBetween); at != std::string_view::npos;
       at = text.find_first_not_of(kBetween, at)) {
    const std::string_view word = text.substr(at, text.find_first_of(kBetween, at) - at);
    at += word.size();
    int32_t id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size())
      throw usage_error(fmt::format("`{}` is no token id", printable(word)),
                        "give ids between blanks or commas, as `tersor tokenize` prints them");
    if (!tokenizer.id_to_token(id))
      throw usage_error(fmt::format("the tokenizer has no token {}", id),
                        fmt::format("its {} tokens have ids below {}", format_count(tokenizer.vocab_size()),
                                    format_count(tokenizer.id_limit())));
    ids.push_back(id);
  }
  return ids;
}

}  // namespace

TokenizeReport tokenize(const TokenizeRequest& request) {
  const Tokenizer tokenizer = Tokenizer::load(resolve_model_folder(request.model));
  TokenizeReport report;
  report.text = request.file.empty() ? request.text : read_file(request.file, Tokenizer::kMaxTextBytes);
  if (report.text.empty()) {
    throw usage_error(request.file.empty() ? "there is no text to tokenize"
                                           : fmt::format("{}: the file is empty", request.file),
                      "give some: `--prompt TEXT`, `--text FILE`, or through a pipe");
  }
  if (!is_valid_utf8(report.text)) report.text = replace_invalid_utf8(report.text);
  if (request.decode) {
    report.ids = parse_ids(report.text, tokenizer);
    report.text = tokenizer.decode(report.ids, !request.special_tokens);
  } else {
    if (request.chat) report.text = chat_prompt(tokenizer, report.text);
    report.ids = tokenizer.encode(report.text, request.special_tokens && !request.chat);
  }
  report.tokens.reserve(report.ids.size());
  for (const int32_t id : report.ids) report.tokens.push_back(tokenizer.id_to_token(id).value_or(""));
  return report;
}

}  // namespace tersor
