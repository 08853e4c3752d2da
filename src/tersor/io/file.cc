#include "tersor/io/file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

// What a system call's failure means to the user, with the path it concerns.
Error io_error(ErrorCode code, std::string_view what, const std::filesystem::path& path, int error) {
  std::string help;
  if (error == ENOSPC || error == EDQUOT)
    help =
        "free some space or give another output folder, then run the same command again: it goes on where it "
        "stopped";
  if (error == EACCES || error == EPERM || error == EROFS)
    help = "check the permissions of the folder, or give another one";
  return {code, fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(error)), help};
}

}  // namespace

File::File(const std::filesystem::path& path, Open how) : path_(path) {
  const int flags = how == Open::kRead ? O_RDONLY : how == Open::kReadWrite ? O_RDWR : O_RDWR | O_CREAT;
  fd_ = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd_ < 0)
    throw io_error(how == Open::kRead ? ErrorCode::kInput : ErrorCode::kRuntime, "open", path, errno);
  struct stat st{};
  if (::fstat(fd_, &st) == 0 && S_ISDIR(st.st_mode)) {
    ::close(std::exchange(fd_, -1));
    throw input_error(fmt::format("{} is a folder, a file was expected", path.string()));
  }
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

File::File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

uint64_t File::size() const {
  struct stat st{};
  if (::fstat(fd_, &st) != 0) throw io_error(ErrorCode::kRuntime, "read the size of", path_, errno);
  return static_cast<uint64_t>(st.st_size);
}

void File::read_at(uint64_t offset, std::span<std::byte> out) const {
  const uint64_t wanted = out.size();
  uint64_t done = 0;
  while (done < wanted) {
    const ssize_t n = ::pread(fd_, out.data() + done, wanted - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw io_error(ErrorCode::kInput, "read", path_, errno);
    if (n == 0) {
      throw input_error(fmt::format("{} ends at byte {}, but bytes {} to {} were expected in it",
                                    path_.string(), offset + done, offset, offset + wanted),
                        "the file was cut short or changed while it was read; download it again");
    }
    done += static_cast<uint64_t>(n);
  }
}

void File::write_at(uint64_t offset, std::span<const std::byte> data) const {
  uint64_t done = 0;
  while (done < data.size()) {
    const ssize_t n =
        ::pwrite(fd_, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw io_error(ErrorCode::kRuntime, "write", path_, errno);
    done += static_cast<uint64_t>(n);
  }
}

void File::resize(uint64_t size) const {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0)
    throw io_error(ErrorCode::kRuntime, "set the size of", path_, errno);
}

void File::allocate(uint64_t size) const {
  resize(size);
  if (size > 0 && ::fallocate(fd_, 0, 0, static_cast<off_t>(size)) != 0 && errno != EOPNOTSUPP &&
      errno != ENOSYS) {
    throw io_error(ErrorCode::kRuntime, fmt::format("reserve {} bytes for", size), path_, errno);
  }
}

void File::sync() const {
  if (::fdatasync(fd_) != 0) throw io_error(ErrorCode::kRuntime, "sync", path_, errno);
}

void File::drop_cache(uint64_t offset, uint64_t length) const {
  // Advice only: a file system that ignores it costs memory the kernel can take back anyway.
  (void)::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
}

std::string read_file(const std::filesystem::path& path, uint64_t max_bytes) {
  const File file(path, File::Open::kRead);
  const uint64_t size = file.size();
  if (size > max_bytes) {
    throw input_error(fmt::format("{} has {} bytes; at most {} were expected of such a file", path.string(),
                                  size, max_bytes));
  }
  std::string text(size, '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view contents) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  {
    const File file(temporary, File::Open::kCreateReadWrite);
    file.resize(0);
    file.write_at(0, std::as_bytes(std::span(contents)));
    file.sync();
  }
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) throw io_error(ErrorCode::kRuntime, "rename a finished file to", path, error.value());
}

}  // namespace tersor
