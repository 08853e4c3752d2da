#include "tersor/pipelines/ignore_list.h"

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "tersor/quantization/module_matching.h"

namespace tersor {
namespace {

// "model.language_model.layers.0.mlp.gate" → "layers.0.mlp.gate": what every reader's name ends in.
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

// A regex for `core`: dots and other punctuation stand for themselves, and each index for any when asked.
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

}  // namespace

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

bool is_multipart(const Json& config) {
  if (!config.is_object()) return false;
  return std::ranges::any_of(
      std::initializer_list<const char*>{"text_config", "vision_config", "audio_config"},
      [&](const char* key) {
        const auto it = config.find(key);
        return it != config.end() && it->is_object();
      });
}

std::vector<std::string> ignore_list(const IgnoreNames& names, bool multipart) {
  std::vector<std::string> ignore(names.ignored.begin(), names.ignored.end());
  std::ranges::sort(ignore);
  if (!multipart) return ignore;

  std::set<std::string, std::less<>> parts, layers, cores;  // of the quantized modules
  for (const std::string_view name : names.quantized) {
    const std::string_view core = without_wrappers(name);
    parts.emplace(first_part(core));
    layers.insert(as_regex(core, true));
    cores.emplace(core);
  }
  std::set<std::string> patterns;
  for (const std::string_view name : names.ignored) {
    const std::string_view core = without_wrappers(name);
    if (const std::string_view part = first_part(core); part.size() < core.size() && !parts.contains(part)) {
      patterns.insert(fmt::format("re:{}{}\\..*", kAnyWrappers, as_regex(part, false)));
    } else if (std::string any = as_regex(core, true); !layers.contains(any)) {
      patterns.insert(fmt::format("re:{}{}$", kAnyWrappers, any));
    } else if (!cores.contains(core)) {
      patterns.insert(fmt::format("re:{}{}$", kAnyWrappers, as_regex(core, false)));
    }
  }
  ignore.insert(ignore.end(), patterns.begin(), patterns.end());
  return ignore;
}

}  // namespace tersor
