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
  // [offset, offset + length) is read soon: caches may fetch it meanwhile. Does not wait.
  virtual void will_need(uint64_t offset, uint64_t length) const = 0;
  // [offset, offset + length) will not be read again: caches may let go of it.
  virtual void done_with(uint64_t offset, uint64_t length) const = 0;
  // What changes when the source does (size and modification time, or an ETag): a resumed run compares it.
  virtual std::string fingerprint() const = 0;
  // Whether the source is no longer what it was when it was opened: written to, replaced or gone.
  virtual bool changed() const = 0;
  // For messages: a path or a URL.
  virtual const std::string& name() const = 0;
};

// What done_with() does to the pages of a local file in the kernel's cache.
//
// Cached pages are no memory of this process and the kernel takes them back at no cost, so dropping them
// frees nothing that is needed; it only takes a warm cache from the user's next run, or from the server that
// has the model open. Dropping pays where the cache cannot help anyone: files larger than memory, whose pages
// would be pushed out before a second pass comes to them, and other programs' pages before that.
enum class CacheUse {
  kKeep,
  kDrop,
};

// kDrop where files of so many bytes together cannot stay in this machine's (or container's) cache beside
// what a run writes.
CacheUse cache_use_for(uint64_t total_bytes);

// Opens a regular file; its descriptor stays open. Throws Error(kInput) when it is missing, unreadable or no
// regular file.
std::unique_ptr<ByteSource> open_file_source(const std::filesystem::path& path,
                                             CacheUse cache = CacheUse::kKeep);

}  // namespace tersor
