#include "tersor/io/output_folder.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockName = ".tersor-lock";

// `path` absolute, without a trailing slash; a link stands for what it leads to, so that the staging folder
// lies on the same disk as the result.
fs::path normal_path(const fs::path& path) {
  if (path.empty()) throw usage_error("the output folder's name is empty");
  fs::path normal = fs::absolute(path).lexically_normal();
  if (!normal.has_filename()) normal = normal.parent_path();
  std::error_code error;
  const fs::file_status status = fs::symlink_status(normal, error);
  if (status.type() == fs::file_type::none)
    throw io_error(ErrorCode::kRuntime, "look at", normal, error.value());
  if (!fs::is_symlink(status)) return normal;
  const fs::path target = fs::canonical(normal, error);
  if (error)
    throw usage_error(fmt::format("{} is a link to nothing", normal.string()), "give another output folder");
  return target;
}

// Nothing can be renamed to a mount point; to write all and find out then would be late.
bool is_mount_point(const fs::path& folder) {
  struct statx st{};
  return ::statx(AT_FDCWD, folder.c_str(), 0, STATX_BASIC_STATS, &st) == 0 &&
         (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    entries.push_back(at->path());
  if (error) throw io_error(ErrorCode::kRuntime, "list the folder", folder, error.value());
  return entries;
}

void remove_or_throw(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw io_error(ErrorCode::kRuntime, "remove", path, error.value());
}

std::vector<fs::path> working_files_of(const fs::path& folder) {
  std::vector<fs::path> working = entries_of(folder);
  std::erase_if(working, [](const fs::path& path) {
    return !path.filename().string().starts_with(kWorkingFilePrefix);
  });
  return working;
}

}  // namespace

bool finish_for_the_dead(const fs::path& folder) {
  const std::vector<fs::path> working = working_files_of(folder);
  if (working.empty()) return false;
  std::error_code error;
  File lock;
  if (fs::exists(folder / kLockName, error)) {
    lock = File(folder / kLockName, File::Open::kReadWrite);
    if (::flock(lock.fd(), LOCK_EX | LOCK_NB) != 0) return false;
  }
  for (const fs::path& path : working) remove_or_throw(path);
  sync_folder(folder);
  return true;
}

namespace {

void check_final(const fs::path& path, bool overwrite) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return;
  if (!fs::is_directory(status)) {
    throw usage_error(fmt::format("{} exists and is no folder", path.string()), "give another output folder");
  }
  if (is_mount_point(path)) {
    throw usage_error(
        fmt::format("{} is a mount point, which a finished folder cannot replace", path.string()),
        fmt::format("give a folder in it: {}", (path / "model").string()));
  }
  if (entries_of(path).empty()) return;
  if (!overwrite) {
    finish_for_the_dead(path);
    throw usage_error(fmt::format("{} exists and is not empty", path.string()),
                      "give another output folder, or allow this one to be replaced (--overwrite)");
  }
  if (!fs::exists(path / "config.json", error)) {
    throw usage_error(
        fmt::format("{} is not replaced: it has no config.json, so it is no checkpoint", path.string()),
        "give another output folder, or remove this one yourself");
  }
}

void make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST)
    throw io_error(ErrorCode::kRuntime, "make the folder", folder, errno);
  if (!fs::is_directory(fs::symlink_status(folder)))
    throw runtime_error(fmt::format("{} exists and is no folder", folder.string()), "remove it");
}

// "1234 on node7": who holds a lock, for the message of whoever comes next.
std::string this_process() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("{} on {}", ::getpid(), host.data());
}

// The lock file of the staging folder, locked.
File take_lock(const fs::path& staging) {
  const fs::path path = staging / kLockName;
  for (int attempt = 0; attempt < 16; ++attempt) {
    make_folder(staging);
    File lock(path, File::Open::kCreateReadWrite);
    if (::flock(lock.fd(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        std::string holder;
        try {
          holder = printable(read_file(path, 512));
        } catch (const Error&) {
          holder = "unknown";  // it has just gone
        }
        throw runtime_error(
            fmt::format("{} is being written by another run (process {})", staging.string(), holder),
            "wait for it to finish, or give another output folder");
      }
      if (errno != ENOLCK && errno != ENOSYS && errno != EOPNOTSUPP)
        throw io_error(ErrorCode::kRuntime, "lock", path, errno);
    }
    // The other run may have renamed the folder between our open and our lock.
    if (!lock.is_at_its_path()) continue;
    lock.resize(0);
    const std::string holder = this_process();
    lock.write_at(0, std::as_bytes(std::span(holder)));
    return lock;
  }
  throw runtime_error(fmt::format("{} is renamed again and again by other runs", staging.string()));
}

void sync_tree(const fs::path& folder) {
  for (const fs::path& path : entries_of(folder)) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    if (fs::is_directory(status)) sync_tree(path);
    if (fs::is_regular_file(status)) File(path, File::Open::kRead).sync();
  }
  sync_folder(folder);
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return;
  if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) {
    throw runtime_error(fmt::format("{} has come into being while its contents were computed", to.string()),
                        fmt::format("the finished result is {}: rename it yourself", from.string()));
  }
  throw io_error(ErrorCode::kRuntime, fmt::format("rename {} to", from.string()), to, errno);
}

// Puts `staging` in the place of the folder `final_path`; returns where the old one is now.
fs::path replace_folder(const fs::path& staging, const fs::path& final_path) {
  fs::path old = final_path;
  old += fmt::format(".old-{}", ::getpid());
  if (::renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, final_path.c_str(), RENAME_EXCHANGE) == 0) {
    rename_or_throw(staging, old);
    return old;
  }
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
    throw io_error(ErrorCode::kRuntime, fmt::format("exchange {} for", staging.string()), final_path, errno);
  // A file system without exchange: two steps, between which both folders exist under other names.
  rename_or_throw(final_path, old);
  try {
    rename_or_throw(staging, final_path);
  } catch (...) {
    (void)::rename(old.c_str(), final_path.c_str());
    throw;
  }
  return old;
}

}  // namespace

OutputFolder::OutputFolder(const fs::path& final_path, bool overwrite)
    : final_(normal_path(final_path)), staging_(final_), overwrite_(overwrite) {
  check_final(final_, overwrite);
  staging_ += ".partial";
  std::error_code error;
  fs::create_directories(final_.parent_path(), error);
  if (error) throw io_error(ErrorCode::kRuntime, "make the folder", final_.parent_path(), error.value());
  lock_ = take_lock(staging_);
}

OutputFolder::~OutputFolder() {
  if (lock_.fd() < 0) return;  // committed or moved from
  // A run that failed before it wrote anything leaves nothing behind.
  std::error_code error;
  size_t entries = 0;
  for (fs::directory_iterator at(staging_, error), end; !error && at != end; at.increment(error)) ++entries;
  if (error || entries != 1) return;
  fs::remove(staging_ / kLockName, error);
  fs::remove(staging_, error);
}

void OutputFolder::clear() {
  for (const fs::path& path : entries_of(staging_)) {
    if (path.filename() != kLockName) remove_or_throw(path);
  }
}

void OutputFolder::commit() {
  sync_tree(staging_);
  std::error_code error;
  fs::path old;
  if (overwrite_ && fs::is_directory(final_, error) && !entries_of(final_).empty()) {
    old = replace_folder(staging_, final_);
  } else {
    rename_or_throw(staging_, final_);
  }
  // Working files go last: a rename that fails must leave the journal to go on with, and the lock to keep
  // others out. Whoever waits for the final name may see them for a moment.
  for (const fs::path& path : working_files_of(final_)) remove_or_throw(path);
  sync_folder(final_);
  sync_folder(final_.parent_path());
  lock_ = File();
  if (old.empty()) return;
  fs::remove_all(old, error);
  if (error) {
    throw runtime_error(fmt::format("{} is complete, but the folder it replaced cannot be removed: {}: {}",
                                    final_.string(), old.string(), error.message()),
                        "remove it yourself");
  }
}

uint64_t free_disk_bytes(const fs::path& path) {
  fs::path folder = fs::absolute(path).lexically_normal();
  std::error_code error;
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  struct statvfs st{};
  if (::statvfs(folder.c_str(), &st) != 0)
    throw io_error(ErrorCode::kRuntime, "ask for the free space of", folder, errno);
  return uint64_t{st.f_bavail} * st.f_frsize;
}

}  // namespace tersor
