// Files through descriptors: whole reads, positional reads and writes, errors that name the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "tersor/base/error.h"

namespace tersor {

// What a failed system call means to the user: "cannot <what> <path>: <reason>", with what to do about it.
// `error` is the call's errno.
Error io_error(ErrorCode code, std::string_view what, const std::filesystem::path& path, int error);

// An open descriptor, closed with the object.
class File {
 public:
  enum class Open {
    kRead,
    kReadWrite,        // must exist
    kCreateReadWrite,  // created when absent, kept as it is when present
  };

  File() = default;
  // Throws Error(kInput) when a file to read is missing, unreadable or no regular file (a pipe is not waited
  // for), Error(kRuntime) when one cannot be written.
  File(const std::filesystem::path& path, Open how);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  uint64_t size() const;
  // Exactly out.size() bytes from `offset`; throws Error(kInput) when the file ends before.
  void read_at(uint64_t offset, std::span<std::byte> out) const;
  // All bytes; throws Error(kRuntime) with the path and the reason (disk full, read-only, …).
  void write_at(uint64_t offset, std::span<const std::byte> data) const;
  void resize(uint64_t size) const;
  // Claims the disk space of [0, size), so that a full disk is found now; also sets the size. File systems
  // that cannot claim only get the size.
  void allocate(uint64_t size) const;
  // Lets the kernel begin to write [offset, offset + length) to the disk and does not wait: what a later
  // sync() waits for is then short. Advice; nothing is guaranteed about the data.
  void start_writeback(uint64_t offset, uint64_t length) const;
  // Data on the disk, not only in the page cache.
  void sync() const;
  // Whether the path still leads to this file: nobody has removed, renamed or replaced it.
  bool is_at_its_path() const;
  // Lets the kernel begin to read [offset, offset + length) into its cache and does not wait. Advice.
  void fetch_to_cache(uint64_t offset, uint64_t length) const;
  // Tells the kernel that [offset, offset + length) will not be read again.
  void drop_cache(uint64_t offset, uint64_t length) const;

  // Takes over an open descriptor.
  File(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}

  int fd() const { return fd_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  int fd_ = -1;
  std::filesystem::path path_;
};

// A file without a name in `folder`: it is gone with its descriptor, however the program ends.
File open_temporary_file(const std::filesystem::path& folder);
// In the folder for temporary files: $TMPDIR, else /tmp.
File open_temporary_file();

// The whole file; refuses one above `max_bytes`.
std::string read_file(const std::filesystem::path& path, uint64_t max_bytes);
// The same of what may also be a pipe (`<(command)`, /dev/stdin): waits for its end.
std::string read_stream(const std::filesystem::path& path, uint64_t max_bytes);

// Syncs a folder: files made, renamed or removed in it stay so after a power cut.
void sync_folder(const std::filesystem::path& folder);

// Lets this process have `count` more descriptors open, as far as the hard limit allows (`ulimit -Hn`): the
// usual soft limit of 1024 is below what a checkpoint of a thousand shards needs.
void reserve_descriptors(uint64_t count);

// Copies a regular file over `to`, which is created when absent, and syncs it.
void copy_regular_file(const std::filesystem::path& from, const std::filesystem::path& to);

// Writes `contents` under a temporary name beside `path`, syncs, renames: the final name never shows half a
// file.
void write_file_atomically(const std::filesystem::path& path, std::string_view contents);

}  // namespace tersor
