#include "tersor/datasets/token_cache.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "tersor/base/checked_math.h"
#include "tersor/base/error.h"
#include "tersor/io/file.h"
#include "tersor/io/hash.h"

namespace tersor::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "TRSRTOK1";
constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
constexpr size_t kFields = 4;

void append(std::string& out, const void* data, size_t size) {
  out.append(static_cast<const char*>(data), size);
}

uint64_t hash_of(std::string_view bytes) { return hash64(std::as_bytes(std::span(bytes))); }

}  // namespace

fs::path token_cache_file(const std::string& key) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (cache != nullptr && *cache == '/')
    folder = cache;  // the specification: relative ones do not count
  else if (home != nullptr && *home == '/')
    folder = fs::path(home) / ".cache";
  else
    return {};
  return folder / "tersor" / "calibration" / (key + ".tokens");
}

std::string hash_of_files(const std::vector<fs::path>& files) {
  constexpr size_t kBlock = size_t{16} << 20;
  std::vector<uint64_t> hashes;
  std::vector<std::byte> block;
  for (const fs::path& path : files) {
    const File file(path, File::Open::kRead);
    const uint64_t size = file.size();
    hashes.push_back(size);
    for (uint64_t at = 0; at < size; at += block.size()) {
      block.resize(std::min<uint64_t>(kBlock, size - at));
      file.read_at(at, block);
      hashes.push_back(hash64(block));
    }
  }
  return hash_hex({reinterpret_cast<const char*>(hashes.data()), hashes.size() * sizeof(uint64_t)});
}

std::string pack_samples(const CachedSamples& cached) {
  const auto& ids = cached.samples.ids;
  std::string out(kMagic);
  const uint64_t fields[kFields] = {cached.documents, cached.samples.documents_read, cached.samples.too_short,
                                    ids.size()};
  append(out, fields, sizeof(fields));
  for (const auto& sample : ids) {
    const uint64_t length = sample.size();
    append(out, &length, sizeof(length));
  }
  for (const auto& sample : ids) append(out, sample.data(), sample.size() * sizeof(int32_t));
  const uint64_t hash = hash_of(out);
  append(out, &hash, sizeof(hash));
  return out;
}

std::optional<CachedSamples> unpack_samples(std::string_view bytes) {
  constexpr size_t kWord = sizeof(uint64_t);
  if (bytes.size() < kMagic.size() + (kFields + 1) * kWord || !bytes.starts_with(kMagic)) return std::nullopt;
  const auto word = [&](size_t at) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, kWord);
    return value;
  };
  const size_t end = bytes.size() - kWord;
  if (word(end) != hash_of(bytes.substr(0, end))) return std::nullopt;

  CachedSamples out;
  size_t at = kMagic.size();
  out.documents = word(at);
  out.samples.documents_read = word(at + kWord);
  out.samples.too_short = word(at + 2 * kWord);
  const uint64_t count = word(at + 3 * kWord);
  at += kFields * kWord;
  // The hash holds no one off who computes it too: every size is held against the file.
  if (count > (end - at) / kWord) return std::nullopt;
  size_t ids_at = at + count * kWord;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t length = word(at + i * kWord);
    if (length > (end - ids_at) / sizeof(int32_t)) return std::nullopt;
    std::vector<int32_t> ids(length);
    if (length > 0) std::memcpy(ids.data(), bytes.data() + ids_at, length * sizeof(int32_t));
    ids_at += length * sizeof(int32_t);
    out.samples.ids.push_back(std::move(ids));
  }
  if (ids_at != end) return std::nullopt;
  return out;
}

std::optional<CachedSamples> read_token_cache(const fs::path& file, bool& damaged) {
  damaged = false;
  std::error_code error;
  if (file.empty() || !fs::exists(file, error)) return std::nullopt;
  try {
    if (auto cached = unpack_samples(read_file(file, kMaxBytes))) return cached;
  } catch (const Error&) {  // no file, unreadable, too large: the same as one with other bytes
  }
  damaged = true;
  return std::nullopt;
}

void write_token_cache(const fs::path& file, const CachedSamples& cached) {
  if (file.empty()) return;
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) return;
  try {
    write_file_atomically(file, pack_samples(cached));
  } catch (const Error&) {  // the samples are there; only the next run has to make them again
  }
}

}  // namespace tersor::datasets
