#include "tersor/pipelines/ignore_list.h"

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "tersor/pipelines/reader_spelling.h"
#include "tersor/quantization/module_matching.h"

namespace tersor {

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
