// The assembler copies the file into the object: no compiler reads 1.7 MB of literals. TERSOR_BUILTIN_TEXT
// is its path (src/tersor/CMakeLists.txt).
#include "tersor/datasets/builtin_text.h"

#include <memory>
#include <string>
#include <vector>

__asm__(
    ".pushsection .rodata\n"
    ".global tersor_builtin_text_begin\n"
    ".global tersor_builtin_text_end\n"
    "tersor_builtin_text_begin:\n"
    ".incbin \"" TERSOR_BUILTIN_TEXT
    "\"\n"
    "tersor_builtin_text_end:\n"
    ".byte 0\n"
    ".popsection\n");

extern "C" {
extern const char tersor_builtin_text_begin[];
extern const char tersor_builtin_text_end[];
}

namespace tersor::datasets {

std::string_view builtin_text() {
  return {tersor_builtin_text_begin,
          static_cast<size_t>(tersor_builtin_text_end - tersor_builtin_text_begin)};
}

Documents builtin_documents() {
  constexpr std::string_view kSeparator = "\n\f\n";
  const auto documents = std::make_shared<std::vector<std::string_view>>();
  const std::string_view text = builtin_text();
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(kSeparator, begin), text.size());
    documents->push_back(text.substr(begin, end - begin));
    begin = end + kSeparator.size();
  }
  return {documents->size(), [documents](size_t i) {
            return Document{Text{std::string((*documents)[i])},
                            "document " + std::to_string(i) + " of the built-in calibration text"};
          }};
}

}  // namespace tersor::datasets
