// Parquet files: one document a row. Internal to datasets/.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tersor/datasets/document.h"

namespace tersor::datasets {

// Columns as in records.h: text, chat messages (a list of structs), token ids. Row groups are read when a row
// of theirs is asked for. Throws Error(kInput) for a file that is damaged, and Error(kUsage) in a build
// without Apache Arrow, saying how to convert the file.
Documents parquet_documents(const std::vector<std::filesystem::path>& files, const std::string& text_column);

}  // namespace tersor::datasets
