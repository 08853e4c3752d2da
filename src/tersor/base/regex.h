// Regular expressions (PCRE2) with limits, so that no pattern from a file can run away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tersor {

// A compiled pattern. Immutable after construction; safe to use from several threads at once.
class Regex {
 public:
  enum class Mode {
    kBytes,    // the subject is plain bytes
    kUnicode,  // pattern and subject are UTF-8; \w, \d, \s and \p{..} follow Unicode; the subject must be
               // valid
  };

  // Throws Error(kUsage) naming the pattern, the place and the reason when it does not compile.
  explicit Regex(std::string_view pattern, Mode mode = Mode::kBytes);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // Python's re.match: anchored at the start of the subject, not at its end.
  bool match_prefix(std::string_view subject) const;

  // The first match at or after `start`: its [begin, end) bytes. Throws Error(kInput) when the match limit is
  // hit.
  std::optional<std::pair<size_t, size_t>> search(std::string_view subject, size_t start = 0) const;

  // The same for many searches in one subject, where each could come near the limit: a search that takes more
  // than a thousand steps is paid for from `steps`. Throws when there are none left.
  std::optional<std::pair<size_t, size_t>> search(std::string_view subject, size_t start,
                                                  uint64_t& steps) const;

  const std::string& pattern() const { return pattern_; }

 private:
  std::optional<std::pair<size_t, size_t>> found(std::string_view subject, size_t start, int rc) const;

  struct Impl;
  std::string pattern_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tersor
