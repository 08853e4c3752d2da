#include "tersor/modifiers/quantization/unmatched_pattern.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tersor/base/text.h"

namespace tersor {
namespace {

// "q_proj" of "model.layers.0.self_attn.q_proj".
std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

// The name as a regular expression that matches it.
std::string escaped(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (std::string_view(".^$*+?()[]{}|\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// The longest run of letters that a pattern spells out: "q_porj" of "re:.*self_attn.*\.q_porj$". Of equals
// the last.
std::string_view longest_word(std::string_view pattern) {
  std::string_view longest;
  size_t begin = 0;
  for (size_t i = 0; i <= pattern.size(); ++i) {
    const bool in_word =
        i < pattern.size() && (std::isalnum(static_cast<unsigned char>(pattern[i])) || pattern[i] == '_');
    if (in_word) continue;
    if (i - begin >= longest.size()) longest = pattern.substr(begin, i - begin);
    begin = i + 1;
  }
  return longest;
}

// Parts of the modules' names, without their indices, each once.
std::vector<std::string> name_parts(std::span<const ModuleName> modules) {
  std::set<std::string, std::less<>> parts;
  for (const ModuleName& module : modules) {
    std::string_view rest = module.name;
    while (!rest.empty()) {
      const size_t dot = rest.find('.');
      const std::string_view part = rest.substr(0, dot);
      if (!part.empty() && !std::isdigit(static_cast<unsigned char>(part[0])) && !parts.contains(part)) {
        parts.emplace(part);
      }
      rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
    }
  }
  return {parts.begin(), parts.end()};
}

}  // namespace

std::string unmatched_pattern_help(const std::string& pattern, std::span<const ModuleName> modules) {
  constexpr std::string_view kRegexPrefix = "re:";
  const bool is_regex = pattern.starts_with(kRegexPrefix);
  if (!is_regex) {
    auto any = [&](auto matches) {
      return std::ranges::any_of(modules, [&](const ModuleName& module) { return matches(module.name); });
    };
    if (any([&](const std::string& name) { return name.starts_with(pattern + "."); })) {
      return fmt::format("a name stands for one module; for all inside it write `re:{}\\..*`",
                         escaped(pattern));
    }
    if (any([&](const std::string& name) { return name.ends_with("." + pattern); })) {
      return fmt::format("a name is a module's whole name; for every `{0}` write `re:.*\\.{1}$`", pattern,
                         escaped(pattern));
    }
  }
  const std::string_view word =
      is_regex ? longest_word(std::string_view(pattern).substr(kRegexPrefix.size())) : last_part(pattern);
  std::vector<std::string> known = name_parts(modules);
  if (!is_regex) known.insert(known.end(), {"Linear", "Embedding"});
  const std::vector<std::string> nearest = nearest_names(word, known);
  std::string about =
      is_regex ? "a pattern matches from the start of a module's whole name"
               : "targets are whole names, patterns that start in `re:`, `Linear` and `Embedding`";
  if (nearest.empty()) return about;
  if (nearest[0] == word) return fmt::format("`{}` occurs in other places; {}", word, about);
  return fmt::format("did you mean {}? {}", quoted_list(nearest), about);
}

}  // namespace tersor
