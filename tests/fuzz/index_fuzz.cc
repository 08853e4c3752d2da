// An index of any bytes is refused with an Error or read; what was read is sorted, without repeats, and names
// no file outside of the folder.
#include <algorithm>
#include <cstdlib>

#include "tersor/base/error.h"
#include "tersor/io/safetensors/safetensors_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const tersor::SafetensorsIndex index =
        tersor::parse_safetensors_index({reinterpret_cast<const char*>(data), size}, "fuzz");
    bool good = !index.entries.empty() && std::ranges::is_sorted(index.files);
    for (const std::string& file : index.files)
      good = good && file.ends_with(".safetensors") && file.find_first_of("/\\") == file.npos;
    for (size_t i = 0; i < index.entries.size(); ++i) {
      good = good && index.entries[i].file < index.files.size();
      good = good && (i == 0 || index.entries[i - 1].tensor < index.entries[i].tensor);
    }
    if (!good || !(index.metadata.is_null() || index.metadata.is_object())) std::abort();
  } catch (const tersor::Error&) {
  }
  return 0;
}
