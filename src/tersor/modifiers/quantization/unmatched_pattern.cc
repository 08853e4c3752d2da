#include "tersor/modifiers/quantization/unmatched_pattern.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tersor/base/text.h"

namespace tersor {
namespace {

constexpr std::string_view kRegexPrefix = "re:";

// The name as a regular expression that matches it.
std::string escaped(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (std::string_view(".^$*+?()[]{}|\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// A run of letters that a pattern spells out.
struct Word {
  size_t begin = 0;
  size_t length = 0;
};

// "self_attn" and "q_porj" of "re:.*self_attn.*\\.q_porj$": what stands in no escape and is long enough to be
// part of a name.
std::vector<Word> words_of(std::string_view pattern, bool is_regex) {
  constexpr size_t kShortest = 3;
  std::vector<Word> words;
  for (size_t i = is_regex ? kRegexPrefix.size() : 0; i < pattern.size();) {
    if (is_regex && pattern[i] == '\\') {
      i += 2;
      continue;
    }
    size_t end = i;
    while (end < pattern.size() &&
           (std::isalnum(static_cast<unsigned char>(pattern[end])) || pattern[end] == '_'))
      ++end;
    if (end - i >= kShortest) words.push_back({i, end - i});
    i = end + 1;
    if (is_regex && end < pattern.size() && pattern[end] == '\\') i = end;
  }
  return words;
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

bool matches_any(const std::string& pattern, std::span<const ModuleName> modules) {
  try {
    const NameMatcher matcher{std::span(&pattern, 1)};
    return std::ranges::any_of(modules,
                               [&](const ModuleName& module) { return matcher.match(module).has_value(); });
  } catch (const Error&) {
    return false;  // the word was a part of the expression's syntax: `(?P=name)`
  }
}

// The pattern with one word replaced by the nearest part of the modules' names, where that matches something.
std::vector<std::string> corrections(const std::string& pattern, bool is_regex,
                                     std::span<const std::string> known,
                                     std::span<const ModuleName> modules) {
  constexpr size_t kWords = 8, kShown = 3;
  std::vector<std::string> found;
  std::vector<Word> words = words_of(pattern, is_regex);
  if (words.size() > kWords) words.resize(kWords);
  for (const Word& word : words) {
    const std::string_view text = std::string_view(pattern).substr(word.begin, word.length);
    for (const std::string& candidate : nearest_names(text, known)) {
      std::string corrected = pattern;
      corrected.replace(word.begin, word.length, candidate);
      if (corrected == pattern || !matches_any(corrected, modules)) continue;
      found.push_back(std::move(corrected));
      break;  // others are further away
    }
    if (found.size() == kShown) break;
  }
  return found;
}

// The nearest parts of names to the longest word: where no single word explains that nothing matches.
std::vector<std::string> nearest_parts(const std::string& pattern, bool is_regex,
                                       std::span<const std::string> known) {
  const std::vector<Word> words = words_of(pattern, is_regex);
  const auto longest = std::ranges::max_element(words, {}, &Word::length);
  if (longest == words.end()) return {};
  const std::string_view text = std::string_view(pattern).substr(longest->begin, longest->length);
  std::vector<std::string> nearest = nearest_names(text, known);
  std::erase(nearest, text);
  return nearest;
}

constexpr const char* kRegexRule = "a pattern matches from the start of a module's whole name";
constexpr const char* kNameRule =
    "an entry is a module's whole name, a pattern that starts in `re:`, `Linear` or `Embedding`";

// What was probably meant, and the rule that the pattern missed. Either may be empty.
struct Advice {
  std::string hint;
  std::string rule;
};

Advice advice_for(const std::string& pattern, std::span<const std::string> known,
                  std::span<const ModuleName> modules) {
  auto any = [&](auto matches) {
    return std::ranges::any_of(modules, [&](const ModuleName& module) { return matches(module.name); });
  };
  const bool is_regex = pattern.starts_with(kRegexPrefix);
  if (is_regex) {
    const std::string expression = pattern.substr(kRegexPrefix.size());
    const bool has_alternatives = expression.find('|') != std::string::npos;
    const std::string anywhere = "re:.*" + (has_alternatives ? "(" + expression + ")" : expression);
    if (matches_any(anywhere, modules)) return {fmt::format("did you mean `{}`?", anywhere), kRegexRule};
  } else {
    if (any([&](const std::string& name) { return name.starts_with(pattern + "."); })) {
      return {
          fmt::format("a name stands for one module; for all inside it write `re:{}\\..*`", escaped(pattern)),
          ""};
    }
    if (any([&](const std::string& name) { return name.ends_with("." + pattern); })) {
      return {fmt::format("a name is a module's whole name; for every `{0}` write `re:.*\\.{1}$`", pattern,
                          escaped(pattern)),
              ""};
    }
  }
  std::vector<std::string> meant = corrections(pattern, is_regex, known, modules);
  if (meant.empty()) meant = nearest_parts(pattern, is_regex, known);
  return {meant.empty() ? "" : fmt::format("did you mean {}?", quoted_list(meant)),
          is_regex ? kRegexRule : kNameRule};
}

std::string help_for(std::span<const UnmatchedPattern> unmatched, std::span<const ModuleName> modules) {
  constexpr size_t kAdvised = 8;  // looking for what was meant goes through all modules
  std::vector<std::string> known = name_parts(modules);
  known.insert(known.end(), {"Linear", "Embedding"});
  std::vector<std::string> lines, rules;
  auto add = [](std::vector<std::string>& list, const std::string& text) {
    if (!text.empty() && std::ranges::find(list, text) == list.end()) list.push_back(text);
  };
  for (const UnmatchedPattern& u : unmatched.first(std::min(unmatched.size(), kAdvised))) {
    if (!u.help.empty()) {
      add(rules, u.help);
      continue;
    }
    const Advice advice = advice_for(u.pattern, known, modules);
    const bool alone = unmatched.size() == 1 || advice.hint.empty();
    add(lines, alone ? advice.hint : fmt::format("`{}`: {}", u.pattern, advice.hint));
    add(rules, advice.rule);
  }
  if (unmatched.size() == 1 && lines.size() == 1 && rules.size() == 1) return lines[0] + " " + rules[0];
  lines.insert(lines.end(), rules.begin(), rules.end());
  return fmt::format("{}", fmt::join(lines, "\n"));
}

}  // namespace

Error unmatched_error(std::span<const UnmatchedPattern> unmatched, std::span<const ModuleName> modules) {
  const std::string help = help_for(unmatched, modules);
  if (unmatched.size() == 1) return usage_error(unmatched[0].message, help);
  std::string message = fmt::format("{} entries of the recipe match nothing", unmatched.size());
  for (const UnmatchedPattern& u : unmatched) message += "\n  " + u.message;
  return usage_error(message, help);
}

}  // namespace tersor
