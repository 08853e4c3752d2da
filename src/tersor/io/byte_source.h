// Where a checkpoint's bytes come from: ranges of something that has a size. A local file now; a file behind
// HTTP range requests answers the same questions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "tersor/io/file.h"

namespace tersor {

// Immutable; every method may be called from several threads at once.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  virtual uint64_t size() const = 0;
  // Exactly out.size() bytes from `offset`. Throws Error(kInput) when the source ends before.
  virtual void read_at(uint64_t offset, std::span<std::byte> out) const = 0;
  // [offset, offset + length) will not be read again: caches may let go of it.
  virtual void done_with(uint64_t offset, uint64_t length) const = 0;
  // What changes when the source does (size and modification time, or an ETag): a resumed run compares it.
  virtual std::string fingerprint() const = 0;
  // For messages: a path or a URL.
  virtual const std::string& name() const = 0;
};

std::unique_ptr<ByteSource> open_file_source(const std::filesystem::path& path);

}  // namespace tersor
