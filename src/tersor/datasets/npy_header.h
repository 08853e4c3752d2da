// The header of a .npy file: the type and shape of NumPy's array in it. Internal to datasets/.
//
// Layout: "\x93NUMPY", version (major, minor), u16 (version 1) or u32 little-endian N, N bytes of a Python
// dict: {'descr': '<i4', 'fortran_order': False, 'shape': (128, 2048), }; the data.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tersor/tensor/dtype.h"
#include "tersor/tensor/shape.h"

namespace tersor::datasets {

struct NpyHeader {
  DType dtype = DType::kI32;
  Shape shape;
  uint64_t data_begin = 0;  // bytes from the start of the file
};

// What the first bytes of a file must hold for parse_npy_header() to read a header of any length that it
// takes.
inline constexpr size_t kMaxNpyHeader = 65536;

// Reads the header of an array of token ids. `start`: the first bytes of the file, all or kMaxNpyHeader of
// them; `file_size` must be what the shape asks for. Throws Error(kInput) for anything else than one- or
// two-dimensional, row-major, little-endian integers of 16 to 64 bits (u64 left out), naming `origin`.
NpyHeader parse_npy_header(std::string_view start, uint64_t file_size, const std::string& origin);

}  // namespace tersor::datasets
