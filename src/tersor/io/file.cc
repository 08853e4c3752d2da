#include "tersor/io/file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tersor/base/text.h"

namespace tersor {

Error io_error(ErrorCode code, std::string_view what, const std::filesystem::path& path, int error) {
  std::string help;
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      help =
          "free some space or give another output folder, then run the same command again: it goes on where "
          "it stopped";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      help = code == ErrorCode::kInput
                 ? fmt::format("let this user read it (`chmod u+r {}`), or run as one who may", path.string())
                 : "check the permissions of the folder, or give another one";
      break;
    case EFBIG:
      help = "the limit is the user's (`ulimit -f`) or the file system's: raise it or give another folder";
      break;
    case EMFILE:
    case ENFILE:
      help = "allow more open files (`ulimit -n 65536`) and run the command again";
      break;
    case ENAMETOOLONG:
      help = "give a shorter name";
      break;
    case EIO:
      help = "the disk or the network behind it failed; the system's log (`dmesg`) says more";
      break;
    default:
      break;
  }
  return {code, fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(error)), help};
}

namespace {

// What a path that is no regular file is, for messages.
std::string_view file_kind(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

File::File(const std::filesystem::path& path, Open how) : path_(path) {
  // O_NONBLOCK: opening a pipe to read would otherwise wait for its writer. Regular files do not notice.
  const int flags = how == Open::kRead        ? O_RDONLY | O_NONBLOCK
                    : how == Open::kReadWrite ? O_RDWR
                                              : O_RDWR | O_CREAT;
  const ErrorCode code = how == Open::kRead ? ErrorCode::kInput : ErrorCode::kRuntime;
  do {
    fd_ = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0644);
  } while (fd_ < 0 && errno == EINTR);
  if (fd_ < 0) {
    const int error = errno;
    if (error == EISDIR) throw Error(code, fmt::format("{} is a folder, a file was expected", path.string()));
    throw io_error(code, "open", path, error);
  }
  struct stat st{};
  if (::fstat(fd_, &st) == 0 && (S_ISDIR(st.st_mode) || (how == Open::kRead && !S_ISREG(st.st_mode)))) {
    ::close(std::exchange(fd_, -1));
    throw Error(code, fmt::format("{} is {}, a file was expected", path.string(), file_kind(st.st_mode)));
  }
}

bool File::is_at_its_path() const {
  struct stat mine{}, there{};
  return ::fstat(fd_, &mine) == 0 && ::stat(path_.c_str(), &there) == 0 && mine.st_dev == there.st_dev &&
         mine.st_ino == there.st_ino;
}

File open_temporary_file() {
  std::error_code unknown;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(unknown);
  if (unknown) {
    throw runtime_error("there is no folder for temporary files: " + unknown.message(),
                        "set TMPDIR to a folder on a disk with free space");
  }
  return open_temporary_file(folder);
}

File open_temporary_file(const std::filesystem::path& folder) {
  // A kill before the name is gone leaves it: in an output's work folder the prefix says that it is no
  // result.
  std::string path = folder / ".tersor-XXXXXX";
  const int fd = ::mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) throw io_error(ErrorCode::kRuntime, "make a temporary file in", folder, errno);
  ::unlink(path.c_str());
  return {fd, path};
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
    if (n == 0) throw io_error(ErrorCode::kRuntime, "write", path_, ENOSPC);
    done += static_cast<uint64_t>(n);
  }
}

void File::resize(uint64_t size) const {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0)
    throw io_error(ErrorCode::kRuntime, "set the size of", path_, errno);
}

void File::allocate(uint64_t size) const {
  resize(size);
  if (size == 0) return;
  int rc = 0;
  do {
    rc = ::fallocate(fd_, 0, 0, static_cast<off_t>(size));
  } while (rc != 0 && errno == EINTR);
  if (rc != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
    throw io_error(ErrorCode::kRuntime, fmt::format("reserve {} for", format_bytes(size)), path_, errno);
}

void File::start_writeback(uint64_t offset, uint64_t length) const {
  if (length == 0) return;  // the call would read 0 as "to the end of the file"
  (void)::sync_file_range(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), SYNC_FILE_RANGE_WRITE);
}

void File::sync() const {
  if (::fdatasync(fd_) != 0) throw io_error(ErrorCode::kRuntime, "sync", path_, errno);
}

void File::fetch_to_cache(uint64_t offset, uint64_t length) const {
  (void)::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_WILLNEED);
}

void File::drop_cache(uint64_t offset, uint64_t length) const {
  // Advice only: a file system that ignores it costs memory the kernel can take back anyway.
  (void)::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
}

namespace {

Error too_large(const std::filesystem::path& path, const std::string& size, uint64_t max_bytes) {
  return input_error(fmt::format("{} has {} bytes; at most {} were expected of such a file", path.string(),
                                 size, max_bytes));
}

}  // namespace

std::string read_file(const std::filesystem::path& path, uint64_t max_bytes) {
  const File file(path, File::Open::kRead);
  const uint64_t size = file.size();
  if (size > max_bytes) throw too_large(path, std::to_string(size), max_bytes);
  std::string text(size, '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::string read_stream(const std::filesystem::path& path, uint64_t max_bytes) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY), path);
  if (file.fd() < 0) throw io_error(ErrorCode::kInput, "open", path, errno);
  std::string text;
  std::vector<char> buffer(1 << 16);
  for (;;) {
    const ssize_t n = ::read(file.fd(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EISDIR)
      throw input_error(fmt::format("{} is a folder, a file was expected", path.string()));
    if (n < 0) throw io_error(ErrorCode::kInput, "read", path, errno);
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(n));
    if (text.size() > max_bytes) throw too_large(path, fmt::format("{} or more", text.size()), max_bytes);
  }
}

void sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw io_error(ErrorCode::kRuntime, "open", folder, errno);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  // Some network file systems cannot sync a folder and say so with EINVAL.
  if (error != 0 && error != EINVAL) throw io_error(ErrorCode::kRuntime, "sync", folder, error);
}

void reserve_descriptors(uint64_t count) {
  constexpr rlim_t kOthers = 256;  // the program's own: output files, logs, devices, libraries
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const rlim_t wanted = std::min<rlim_t>(count + kOthers, limit.rlim_max);
  if (wanted <= limit.rlim_cur) return;
  limit.rlim_cur = wanted;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // where it fails, the open that goes too far reports it
}

void copy_regular_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  constexpr uint64_t kChunk = 1 << 20;
  const File source(from, File::Open::kRead), copy(to, File::Open::kCreateReadWrite);
  const uint64_t size = source.size();
  std::vector<std::byte> buffer(std::min(size, kChunk));
  copy.resize(size);
  for (uint64_t at = 0; at < size; at += kChunk) {
    const std::span chunk = std::span(buffer).first(std::min(kChunk, size - at));
    source.read_at(at, chunk);
    copy.write_at(at, chunk);
  }
  copy.sync();
}

void write_file_atomically(const std::filesystem::path& path, std::string_view contents) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  try {
    const File file(temporary, File::Open::kCreateReadWrite);
    file.resize(0);
    file.write_at(0, std::as_bytes(std::span(contents)));
    file.sync();
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw io_error(ErrorCode::kRuntime, "rename a finished file to", path, error);
  }
  sync_folder(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
}

}  // namespace tersor
