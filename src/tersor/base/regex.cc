#include "tersor/base/regex.h"

#include <array>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

// Steps of backtracking before a match is given up: far above what real module names and pre-tokenizer splits
// need (thousands), and a fraction of a second when a hostile pattern reaches it.
constexpr uint32_t kMatchLimit = 10'000'000;
// Room to go back over a megabyte of text, character by character.
constexpr uint32_t kHeapLimitKib = 256 << 10;
// Limits to try one after the other where steps are paid for: PCRE2 tells no more than that a limit was hit.
constexpr std::array<uint32_t, 4> kPaidLimits = {1'000, 30'000, 600'000, kMatchLimit};

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
  using Context = std::unique_ptr<pcre2_match_context, ContextDeleter>;
  std::array<Context, kPaidLimits.size()> contexts;  // one for each limit

  int match(const pcre2_code* program, std::string_view subject, size_t start, uint32_t options,
            const Context& context) const {
    const auto run = [&](uint32_t more) {
      return pcre2_match(program, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(), start,
                         options | more, thread_match_data(), context.get());
    };
    // Compiled code remembers where to go back to on a stack of 32 KiB; the interpreter does on the heap.
    const int rc = run(0);
    return rc == PCRE2_ERROR_JIT_STACKLIMIT ? run(PCRE2_NO_JIT) : rc;
  }
};

Regex::Regex(std::string_view pattern, Mode mode) : pattern_(pattern), impl_(std::make_unique<Impl>()) {
  // \C would match a byte, and end a match inside a character.
  const uint32_t options = mode == Mode::kUnicode ? PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C : 0;
  impl_->code = compile(pattern, options);
  impl_->anchored = compile(pattern, options | PCRE2_ANCHORED);
  for (size_t i = 0; i < kPaidLimits.size(); ++i) {
    impl_->contexts[i].reset(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(impl_->contexts[i].get(), kPaidLimits[i]);
    pcre2_set_heap_limit(impl_->contexts[i].get(), kHeapLimitKib);
  }
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

bool Regex::match_prefix(std::string_view subject) const {
  const int rc = impl_->match(impl_->anchored.get(), subject, 0, 0, impl_->contexts.back());
  if (rc >= 0) return true;
  if (rc == PCRE2_ERROR_NOMATCH) return false;
  throw usage_error(
      fmt::format("matching `{}` against `{}` failed: {}", pattern_, subject, pcre2_message(rc)));
}

std::optional<std::pair<size_t, size_t>> Regex::search(std::string_view subject, size_t start) const {
  const uint32_t options = start == 0 ? 0 : PCRE2_NO_UTF_CHECK;
  return found(subject, start,
               impl_->match(impl_->code.get(), subject, start, options, impl_->contexts.back()));
}

std::optional<std::pair<size_t, size_t>> Regex::search(std::string_view subject, size_t start,
                                                       uint64_t& steps) const {
  uint32_t options = start == 0 ? 0 : PCRE2_NO_UTF_CHECK;
  int rc = PCRE2_ERROR_MATCHLIMIT;
  for (size_t i = 0; i < kPaidLimits.size() && rc == PCRE2_ERROR_MATCHLIMIT; ++i) {
    if (i > 0) {
      if (kPaidLimits[i] > steps) break;
      steps -= kPaidLimits[i];
    }
    rc = impl_->match(impl_->code.get(), subject, start, options, impl_->contexts[i]);
    options = PCRE2_NO_UTF_CHECK;
  }
  return found(subject, start, rc);
}

std::optional<std::pair<size_t, size_t>> Regex::found(std::string_view subject, size_t start, int rc) const {
  if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (rc < 0) {
    throw input_error(fmt::format("matching `{}` failed at byte {} of a text of {}: {}", pattern_, start,
                                  subject.size(), pcre2_message(rc)));
  }
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(thread_match_data());
  return std::pair<size_t, size_t>{range[0], range[1]};
}

}  // namespace tersor
