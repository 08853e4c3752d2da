#include "tersor/io/byte_source.h"

#include <algorithm>
#include <cerrno>
#include <fstream>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

std::string fingerprint_of(const struct stat& st) {
  return fmt::format("size={} mtime={}.{:09} inode={}", st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                     st.st_ino);
}

// pread, not mmap. Mapping saves the copy (0.2 CPU seconds on 4 GB from a warm cache) and is slower by pieces
// from a cold one; but a file that is cut short or a disk that fails then kills the process (SIGBUS) where
// pread lets us say which file it was. bench/read_bench.cc measures both.
class FileSource : public ByteSource {
 public:
  FileSource(const std::filesystem::path& path, CacheUse cache)
      : file_(path, File::Open::kRead), name_(path.string()), cache_(cache) {
    struct stat st{};
    if (::fstat(file_.fd(), &st) != 0) throw io_error(ErrorCode::kInput, "read the size of", path, errno);
    size_ = static_cast<uint64_t>(st.st_size);
    fingerprint_ = fingerprint_of(st);
  }

  uint64_t size() const override { return size_; }
  void read_at(uint64_t offset, std::span<std::byte> out) const override { file_.read_at(offset, out); }
  void will_need(uint64_t offset, uint64_t length) const override { file_.fetch_to_cache(offset, length); }
  void done_with(uint64_t offset, uint64_t length) const override {
    if (cache_ == CacheUse::kDrop) file_.drop_cache(offset, length);
  }
  std::string fingerprint() const override { return fingerprint_; }
  // By path, not by descriptor: a download that replaces the file leaves the descriptor on the old one.
  bool changed() const override {
    struct stat st{};
    return ::stat(name_.c_str(), &st) != 0 || fingerprint_of(st) != fingerprint_;
  }
  const std::string& name() const override { return name_; }

 private:
  File file_;
  std::string name_;
  CacheUse cache_;
  uint64_t size_ = 0;
  std::string fingerprint_;
};

// Bytes of memory that this process and the page cache under it may use.
uint64_t memory_bytes() {
  uint64_t bytes =
      static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  std::ifstream file("/sys/fs/cgroup/memory.max");
  if (uint64_t limit = 0; file >> limit) bytes = std::min(bytes, limit);  // "max" is no number
  return bytes;
}

}  // namespace

CacheUse cache_use_for(uint64_t total_bytes) {
  // A quarter of memory is left to the output (4-bit weights are a quarter of the input) and to programs.
  return total_bytes > memory_bytes() / 4 * 3 ? CacheUse::kDrop : CacheUse::kKeep;
}

std::unique_ptr<ByteSource> open_file_source(const std::filesystem::path& path, CacheUse cache) {
  return std::make_unique<FileSource>(path, cache);
}

}  // namespace tersor
