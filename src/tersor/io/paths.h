// Where one path lies beside another.
#pragma once

#include <filesystem>

namespace tersor {

// Whether `path` is `folder` or below it, part by part, as both are spelt.
bool is_at_or_below(const std::filesystem::path& path, const std::filesystem::path& folder);

// The same with links followed; what does not exist yet is taken as it is spelt.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace tersor
