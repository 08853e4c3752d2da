#include "tersor/datasets/token_files.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "tersor/base/checked_math.h"
#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/datasets/npy_header.h"
#include "tersor/io/byte_source.h"
#include "tersor/io/safetensors/safetensors_header.h"

namespace tersor::datasets {
namespace {

namespace fs = std::filesystem;

struct Array {
  DType dtype = DType::kI32;
  uint64_t begin = 0;  // bytes from the start of the file
};

// The arrays of one file, seen as rows.
struct TokenFile {
  std::unique_ptr<ByteSource> source;
  Array ids;
  std::optional<Array> mask;
  uint64_t elements = 0;
  uint64_t columns = 0;  // of a row; the last row of a stream is shorter
  uint64_t used = 0;     // of each row, from its start: more would be cut off

  uint64_t rows() const { return columns == 0 ? 0 : ceil_div(elements, columns); }
};

template <class T>
void widen(std::span<const std::byte> bytes, std::vector<int64_t>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    // Above 2^63: no id of any model.
    out[i] = std::is_same_v<T, uint64_t> && static_cast<uint64_t>(value) > INT64_MAX
                 ? INT64_MAX
                 : static_cast<int64_t>(value);
  }
}

bool is_integer(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kU8:
    case DType::kI8:
    case DType::kU16:
    case DType::kI16:
    case DType::kU32:
    case DType::kI32:
    case DType::kU64:
    case DType::kI64:
      return true;
    default:
      return false;
  }
}

std::vector<int64_t> read_integers(const ByteSource& source, const Array& array, uint64_t first,
                                   size_t count) {
  const uint64_t size = dtype_size(array.dtype);
  std::vector<std::byte> bytes(count * size);
  source.read_at(array.begin + first * size, bytes);
  std::vector<int64_t> out(count);
  switch (array.dtype) {
    case DType::kBool:
    case DType::kU8:
      widen<uint8_t>(bytes, out);
      break;
    case DType::kI8:
      widen<int8_t>(bytes, out);
      break;
    case DType::kU16:
      widen<uint16_t>(bytes, out);
      break;
    case DType::kI16:
      widen<int16_t>(bytes, out);
      break;
    case DType::kU32:
      widen<uint32_t>(bytes, out);
      break;
    case DType::kI32:
      widen<int32_t>(bytes, out);
      break;
    case DType::kU64:
      widen<uint64_t>(bytes, out);
      break;
    default:
      widen<int64_t>(bytes, out);
      break;
  }
  return out;
}

void set_shape(TokenFile& file, const Shape& shape, size_t max_seq_length) {
  file.elements = num_elements(shape).value_or(0);
  file.columns = shape.size() == 2 ? shape[1] : max_seq_length;
  // Padding may stand before the text: with a mask the whole row is read.
  file.used = file.mask ? file.columns : std::min<uint64_t>(file.columns, max_seq_length);
}

TokenFile open_npy(const fs::path& path, size_t max_seq_length) {
  TokenFile file{.source = open_file_source(path), .ids = {}, .mask = std::nullopt};
  std::string start(std::min<uint64_t>(file.source->size(), kMaxNpyHeader), '\0');
  file.source->read_at(0, std::as_writable_bytes(std::span(start)));
  const NpyHeader header = parse_npy_header(start, file.source->size(), path.string());
  file.ids = {header.dtype, header.data_begin};
  set_shape(file, header.shape, max_seq_length);
  return file;
}

TokenFile open_safetensors(const fs::path& path, size_t max_seq_length) {
  TokenFile file{.source = open_file_source(path), .ids = {}, .mask = std::nullopt};
  const SafetensorsHeader header = read_safetensors_header(*file.source);
  const auto find = [&](std::string_view name) -> const TensorInfo* {
    const auto found = std::ranges::find(header.tensors, name, &TensorInfo::name);
    return found == header.tensors.end() ? nullptr : &*found;
  };
  const TensorInfo* ids = find("input_ids");
  if (ids == nullptr && header.tensors.size() == 1) ids = &header.tensors.front();
  if (ids == nullptr) {
    std::vector<std::string> names;
    for (const TensorInfo& tensor : header.tensors) {
      if (names.size() < 8) names.push_back(printable(tensor.name));
    }
    throw input_error(fmt::format("{}: no tensor `input_ids` among {}", path.string(),
                                  names.empty() ? "none" : quoted_list(names, "and")),
                      "save the token ids as `input_ids`, or alone");
  }
  if (!is_integer(ids->dtype) || ids->shape.empty() || ids->shape.size() > 2) {
    throw input_error(
        fmt::format("{}: `{}` is {} {}; token ids are integers [samples, length] or one stream [n]",
                    path.string(), printable(ids->name), dtype_name(ids->dtype), to_string(ids->shape)),
        "is this a checkpoint? --dataset takes calibration data");
  }
  file.ids = {ids->dtype, ids->begin};
  const TensorInfo* mask = find("attention_mask");
  if (mask != nullptr && mask != ids) {
    if (mask->shape != ids->shape || !is_integer(mask->dtype))
      throw input_error(
          fmt::format("{}: `attention_mask` is {} {}, `{}` is {}", path.string(), dtype_name(mask->dtype),
                      to_string(mask->shape), printable(ids->name), to_string(ids->shape)),
          "the mask says for each id whether it is padding: it has the same shape");
    file.mask = Array{mask->dtype, mask->begin};
  }
  set_shape(file, ids->shape, max_seq_length);
  return file;
}

}  // namespace

Documents token_documents(const std::vector<fs::path>& files, size_t max_seq_length) {
  struct State {
    std::vector<TokenFile> files;
    std::vector<size_t> first;  // document of each file
  };
  const auto state = std::make_shared<State>();
  size_t count = 0;
  for (const fs::path& path : files) {
    state->files.push_back(path.extension() == ".npy" ? open_npy(path, max_seq_length)
                                                      : open_safetensors(path, max_seq_length));
    state->first.push_back(count);
    count += state->files.back().rows();
  }
  return {count, [state](size_t i) {
            const auto after = std::ranges::upper_bound(state->first, i);
            const size_t f = static_cast<size_t>(after - state->first.begin()) - 1;
            const TokenFile& file = state->files[f];
            const uint64_t row = i - state->first[f], begin = row * file.columns;
            const size_t length = std::min(file.used, file.elements - begin);
            TokenIds out{read_integers(*file.source, file.ids, begin, length)};
            if (file.mask) {
              const std::vector<int64_t> mask = read_integers(*file.source, *file.mask, begin, length);
              size_t kept = 0;
              for (size_t j = 0; j < length; ++j) {
                if (mask[j] != 0) out.ids[kept++] = out.ids[j];
              }
              out.ids.resize(kept);
            }
            return Document{std::move(out), fmt::format("{}, sample {}", file.source->name(), row)};
          }};
}

}  // namespace tersor::datasets
