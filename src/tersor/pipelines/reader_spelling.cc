#include "tersor/pipelines/reader_spelling.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "tersor/quantization/module_matching.h"

namespace tersor {

std::string_view without_wrappers(std::string_view name) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view wrapper : kNameWrappers) {
      if (name.size() > wrapper.size() && name.starts_with(wrapper) && name[wrapper.size()] == '.') {
        name.remove_prefix(wrapper.size() + 1);
        found = true;
      }
    }
  }
  return name;
}

std::string_view first_part(std::string_view core) { return core.substr(0, core.find('.')); }

std::string as_regex(std::string_view core, bool any_index) {
  std::string regex;
  for (size_t begin = 0; begin <= core.size();) {
    const size_t end = std::min(core.find('.', begin), core.size());
    const std::string_view part = core.substr(begin, end - begin);
    if (begin > 0) regex += "\\.";
    const bool index =
        !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    if (index && any_index) {
      regex += "\\d+";
    } else {
      for (const char c : part) {
        if (std::string_view("\\^$|?*+()[]{}-").find(c) != std::string_view::npos) regex += '\\';
        regex += c;
      }
    }
    begin = end + 1;
  }
  return regex;
}

std::vector<std::string> other_spellings(std::string_view name) {
  // What the language model consists of; everything else is another part.
  constexpr std::string_view kTextParts[] = {"layers", "embed_tokens", "norm"};
  const std::string_view core = without_wrappers(name);
  std::vector<std::string> names;
  if (core == "lm_head") {
    names = {"lm_head", "language_model.lm_head"};
  } else if (std::ranges::find(kTextParts, first_part(core)) != std::end(kTextParts)) {
    names = {fmt::format("model.language_model.{}", core), fmt::format("language_model.model.{}", core)};
  } else {
    names = {fmt::format("model.{}", core), std::string(core)};
  }
  std::erase(names, name);
  return names;
}

}  // namespace tersor
