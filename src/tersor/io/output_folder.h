// An output folder that appears under its name only when it is complete.
#pragma once

#include <filesystem>
#include <string>

#include "tersor/io/file.h"

namespace tersor {

// The staging folder of an output: everything is written to `<final>.partial/` and renamed to `<final>` at
// the end. A lock in it keeps a second run out; the lock goes with the process, also by kill -9.
class OutputFolder {
 public:
  // Creates or reopens the staging folder and takes its lock. Throws Error(kRuntime) when another run holds
  // it or the place cannot be written; Error(kUsage) when `final_path` exists already and `overwrite` is
  // false, or is a file.
  OutputFolder(const std::filesystem::path& final_path, bool overwrite);
  ~OutputFolder();
  OutputFolder(OutputFolder&&) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;

  const std::filesystem::path& staging() const { return staging_; }
  const std::filesystem::path& final_path() const { return final_; }

  // Removes all that an earlier run left in the staging folder.
  void clear();
  // Syncs the staging folder, removes working files (journal, lock), and renames it to its final name; an
  // existing final folder is replaced only when `overwrite` was given, and is gone only after the new one is
  // in place.
  void commit();

 private:
  std::filesystem::path final_, staging_;
  bool overwrite_ = false;
  File lock_;
};

// Bytes an ordinary user may still write to the file system that holds `path` (which need not exist yet).
uint64_t free_disk_bytes(const std::filesystem::path& path);

}  // namespace tersor
