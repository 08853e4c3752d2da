#include "tersor/quantization/module_matching.h"

#include <algorithm>
#include <string_view>

#include "tersor/base/error.h"

namespace tersor {

NameMatcher::NameMatcher(std::span<const std::string> patterns)
    : patterns_(patterns.begin(), patterns.end()) {
  constexpr std::string_view kRegexPrefix = "re:";
  for (size_t i = 0; i < patterns_.size(); ++i) {
    const std::string& pattern = patterns_[i];
    if (!pattern.starts_with(kRegexPrefix)) {
      names_.emplace(pattern, i);
      continue;
    }
    regexes_.push_back({i, Regex(std::string_view(pattern).substr(kRegexPrefix.size()))});
  }
  std::stable_sort(regexes_.begin(), regexes_.end(), [&](const Pattern& a, const Pattern& b) {
    return patterns_[a.index] < patterns_[b.index];
  });
}

std::optional<NameMatcher::Hit> NameMatcher::match(const ModuleName& module) const {
  if (const auto exact = names_.find(module.name); exact != names_.end()) return Hit{exact->second, 0};
  for (const std::string& name : module.other_spellings) {
    if (const auto exact = names_.find(name); exact != names_.end()) return Hit{exact->second, 0};
  }
  for (const Pattern& pattern : regexes_) {
    auto matches = [&](const std::string& name) { return pattern.regex.match_prefix(name); };
    if (matches(module.name) || std::ranges::any_of(module.other_spellings, matches))
      return Hit{pattern.index, 1};
  }
  const auto by_class = names_.find(to_string(module.module_class));
  if (by_class != names_.end()) return Hit{by_class->second, 2};
  return std::nullopt;
}

}  // namespace tersor
