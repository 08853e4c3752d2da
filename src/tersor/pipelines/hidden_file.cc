#include "tersor/pipelines/hidden_file.h"

#include <fmt/format.h>

#include "tersor/io/hash.h"
#include "tersor/io/output_folder.h"
#include "tersor/modeling/stage_activations.h"

namespace tersor {
namespace {

uint64_t hash_of(const std::vector<uint64_t>& hashes) { return hash64(std::as_bytes(std::span(hashes))); }

}  // namespace

std::filesystem::path HiddenFile::path(size_t layer) const {
  return folder_ / fmt::format("{}hidden-{}", kWorkingFilePrefix, layer % 2);
}

uint64_t HiddenFile::save(size_t layer, Backend& backend, const std::vector<StateStore>& streams) const {
  const File file(path(layer), File::Open::kCreateReadWrite);
  std::vector<uint64_t> hashes;
  std::vector<std::byte> bytes;
  uint64_t offset = 0;
  for (const StateStore& store : streams) {
    for (size_t i = 0; i < store.size(); ++i) {
      const DeviceTensor hidden = in_dtype(backend, store.get(i).hidden, dtype_);
      bytes.resize(hidden.bytes());
      backend.copy_out(hidden, bytes.data());
      file.write_at(offset, bytes);
      offset += bytes.size();
      hashes.push_back(hash64(bytes));
    }
  }
  return hash_of(hashes);
}

bool HiddenFile::holds(size_t layer, uint64_t hash, const std::vector<size_t>& rows, size_t cols) const {
  if (!std::filesystem::exists(path(layer))) return false;
  uint64_t size = 0;
  for (const size_t r : rows) size += uint64_t{r} * cols * dtype_size(dtype_);
  if (std::filesystem::file_size(path(layer)) != size) return false;
  const File file(path(layer), File::Open::kRead);
  std::vector<uint64_t> hashes;
  std::vector<std::byte> bytes;
  uint64_t offset = 0;
  for (const size_t r : rows) {
    bytes.resize(r * cols * dtype_size(dtype_));
    file.read_at(offset, bytes);
    offset += bytes.size();
    hashes.push_back(hash64(bytes));
  }
  return hash_of(hashes) == hash;
}

DeviceTensor HiddenFile::read(size_t layer, Backend& backend, size_t first_row, size_t rows,
                              size_t cols) const {
  const File file(path(layer), File::Open::kRead);
  const DeviceTensor hidden = backend.allocate(dtype_, rows, cols);
  std::vector<std::byte> bytes(hidden.bytes());
  file.read_at(first_row * cols * dtype_size(dtype_), bytes);
  backend.copy_in(hidden, bytes.data());
  return in_dtype(backend, hidden, DType::kF32);
}

}  // namespace tersor
