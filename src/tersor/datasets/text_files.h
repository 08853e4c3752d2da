// Plain text: one document a file. Internal to datasets/.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/datasets/document.h"

namespace tersor::datasets {

// The files are read one by one, as they are asked for; of one above Tokenizer::kMaxTextBytes only the whole
// lines before that limit.
Documents text_documents(std::vector<std::filesystem::path> files);

// Throws Error(kInput) with the byte of the file at which `text` stops being UTF-8; `offset` is where in the
// file it starts. `place` names the file, and the line where there are lines.
void require_utf8(std::string_view text, uint64_t offset, const std::string& place);

}  // namespace tersor::datasets
