#include "tersor/io/paths.h"

#include <algorithm>

namespace tersor {

bool is_at_or_below(const std::filesystem::path& path, const std::filesystem::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
  return is_at_or_below(std::filesystem::weakly_canonical(path), std::filesystem::weakly_canonical(folder));
}

}  // namespace tersor
