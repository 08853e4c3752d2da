// An output folder that appears under its name only when it is complete.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "tersor/io/file.h"

namespace tersor {

// Files of a run that are no part of its result (journal, lock) lie at the top of the staging folder under
// names that begin so; commit() removes them.
constexpr std::string_view kWorkingFilePrefix = ".tersor-";

// The staging folder of an output: everything is written to `<final>.partial/` and renamed to `<final>` at
// the end. A lock in it keeps a second run out; the lock goes with the process, also by kill -9. (On a
// network file system without locks there is none.) The destructor leaves the staging folder for a later run
// to go on with, unless nothing was written to it. Not for use from several threads at once.
class OutputFolder {
 public:
  // Creates or reopens the staging folder (and the folders above it) and takes its lock. Throws
  //   Error(kRuntime) when another run holds the lock or the place cannot be written,
  //   Error(kUsage) when `final_path` is a file, a mount point (nothing can be renamed to it), or a folder
  //   with something in it: without `overwrite` always, with it when it is no checkpoint (has no
  //   config.json), lest a mistyped path cost a home folder.
  OutputFolder(const std::filesystem::path& final_path, bool overwrite);
  ~OutputFolder();
  OutputFolder(OutputFolder&&) noexcept = default;
  OutputFolder& operator=(OutputFolder&&) = delete;

  const std::filesystem::path& staging() const { return staging_; }
  const std::filesystem::path& final_path() const { return final_; }

  // Removes all that an earlier run left in the staging folder.
  void clear();
  // Syncs every file and folder of the staging folder, renames it to its final name, removes working files
  // and syncs the folder above: after a power cut there is the old or the new folder, whole. An existing
  // final folder is swapped for the new one in one step and removed after. When it throws, the staging folder
  // is as it was. Nothing may be called after it has returned.
  void commit();

 private:
  std::filesystem::path final_, staging_;
  bool overwrite_ = false;
  File lock_;
};

// Removes the working files of a run that was killed between giving `folder` its name and removing them.
// False when there are none, or the run is alive.
bool finish_for_the_dead(const std::filesystem::path& folder);

// Bytes that an ordinary user may still write to the file system that holds `path` (which need not exist
// yet).
uint64_t free_disk_bytes(const std::filesystem::path& path);

}  // namespace tersor
