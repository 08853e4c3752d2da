// The header of a safetensors file: names, types, shapes and places of its tensors.
//
// Layout: u64 little-endian N; N bytes of JSON, padded with spaces so that the data starts at a multiple of
// 8; the data, contiguous and without gaps. Format: https://huggingface.co/docs/safetensors
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/byte_source.h"
#include "tersor/tensor/dtype.h"
#include "tersor/tensor/shape.h"

namespace tersor {

struct TensorInfo {
  std::string name;
  DType dtype = DType::kBF16;
  Shape shape;
  uint64_t begin = 0;  // bytes from the start of the FILE (not of the data section), half-open
  uint64_t end = 0;

  uint64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in order of `begin`, then `end`, then name
  std::map<std::string, std::string> metadata;
  uint64_t data_begin = 0;  // first byte after the header
};

// The format's own limit on N.
constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

// Parses the JSON part. `file_size` and `data_begin` check that tensors lie inside the file; `origin` names
// the file in errors. Throws Error(kInput) for: bad JSON, unknown dtype, shape and byte range that disagree,
// overlap, gap, data past the end of the file, a repeated name.
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_begin, uint64_t file_size,
                                           const std::string& origin);

// Reads and parses the header of a file.
SafetensorsHeader read_safetensors_header(const ByteSource& source);

// The bytes before the data for tensors stored in this order: length, JSON, padding. Each tensor's begin and
// end are set to its place in the file. `metadata` must hold {"format": "pt"} for Transformers to load the
// file.
std::string layout_safetensors(std::vector<TensorInfo>& tensors,
                               const std::map<std::string, std::string>& metadata);

}  // namespace tersor
