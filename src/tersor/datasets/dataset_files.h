// Which files a dataset's name stands for, and of which kind. Internal to datasets/.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tersor::datasets {

enum class FileKind { kText, kJson, kParquet, kNpy, kSafetensors };

struct DatasetFiles {
  FileKind kind = FileKind::kText;
  std::vector<std::filesystem::path> files;  // at least one, in order of their paths
  std::string description;                   // "the folder chats/ (3 JSON files)"
  std::vector<std::string> notes;            // files passed over, the split that was chosen
};

// `dataset` is a file, a folder or a Hub id (see CalibrationRequest). In folders: hidden files, README.md and
// dataset_infos.json do not count; of several kinds the one with the most structure is read (token ids,
// Parquet, JSON, text). `split` as in CalibrationRequest; a file's split is its name without the numbers of
// its shard (train-00000-of-00002.parquet: train), or the folder it lies in.
// Throws Error(kUsage) for an empty folder, one without readable files, a split that is not there and
// compressed files; Error(kInput) for a name that stands for nothing.
DatasetFiles find_dataset_files(const std::string& dataset, const std::string& split);

}  // namespace tersor::datasets
