// Token ids that were made elsewhere: .npy arrays and safetensors files. Internal to datasets/.
#pragma once

#include <filesystem>
#include <vector>

#include "tersor/datasets/document.h"

namespace tersor::datasets {

// One document a row of an array [samples, length]; of a stream [n], one for every `max_seq_length` ids. A
// safetensors file holds the ids as `input_ids`, or as its only tensor; where it has an `attention_mask` of
// the same shape, ids that it masks (padding) are left out. Rows are read when they are asked for. Throws
// Error(kInput) for files that hold something else.
Documents token_documents(const std::vector<std::filesystem::path>& files, size_t max_seq_length);

}  // namespace tersor::datasets
