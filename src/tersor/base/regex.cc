#include "tersor/base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

// Steps of backtracking before a match is given up: far above what real module names and pre-tokenizer splits
// need (thousands), and a fraction of a second when a hostile pattern reaches it.
constexpr uint32_t kMatchLimit = 10'000'000;

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct ContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

// Match data is mutable state of one match: one per thread serves all patterns (only the first pair is read).
pcre2_match_data* thread_match_data() {
  struct Deleter {
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };
  thread_local std::unique_ptr<pcre2_match_data, Deleter> data(pcre2_match_data_create(1, nullptr));
  return data.get();
}

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

using Code = std::unique_ptr<pcre2_code, CodeDeleter>;

Code compile(std::string_view pattern, uint32_t options) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error,
                          &offset, nullptr));
  if (!code) {
    throw usage_error(fmt::format("the regular expression `{}` is not valid: {} at character {}", pattern,
                                  pcre2_message(error), offset));
  }
  // Without JIT (a platform that has none) matching is slower, never different.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return code;
}

}  // namespace

struct Regex::Impl {
  Code code;
  Code anchored;  // the same, anchored when compiled: anchoring a match instead would keep it from the JIT
  std::unique_ptr<pcre2_match_context, ContextDeleter> context;
};

Regex::Regex(std::string_view pattern, Mode mode) : pattern_(pattern), impl_(std::make_unique<Impl>()) {
  const uint32_t options = mode == Mode::kUnicode ? PCRE2_UTF | PCRE2_UCP : 0;
  impl_->code = compile(pattern, options);
  impl_->anchored = compile(pattern, options | PCRE2_ANCHORED);
  impl_->context.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(impl_->context.get(), kMatchLimit);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

bool Regex::match_prefix(std::string_view subject) const {
  const int rc = pcre2_match(impl_->anchored.get(), reinterpret_cast<PCRE2_SPTR>(subject.data()),
                             subject.size(), 0, 0, thread_match_data(), impl_->context.get());
  if (rc >= 0) return true;
  if (rc == PCRE2_ERROR_NOMATCH) return false;
  throw usage_error(
      fmt::format("matching `{}` against `{}` failed: {}", pattern_, subject, pcre2_message(rc)));
}

std::optional<std::pair<size_t, size_t>> Regex::search(std::string_view subject, size_t start) const {
  pcre2_match_data* data = thread_match_data();
  const int rc = pcre2_match(impl_->code.get(), reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(),
                             start, start == 0 ? 0 : PCRE2_NO_UTF_CHECK, data, impl_->context.get());
  if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (rc < 0) {
    throw input_error(
        fmt::format("matching `{}` failed at byte {} of the text: {}", pattern_, start, pcre2_message(rc)));
  }
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
  return std::pair<size_t, size_t>{range[0], range[1]};
}

}  // namespace tersor
