#include "tersor/datasets/dataset_files.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/io/file.h"
#include "tersor/io/hub_cache.h"

namespace tersor::datasets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReadable =
    "text (.txt, .md), JSON (.jsonl, .json), Parquet, token ids (.npy, .safetensors)";

// More than any dataset has; a folder with more is not one.
constexpr size_t kMaxFiles = 100'000;

std::string extension_of(const fs::path& path) { return lower_case(path.extension().string()); }

std::optional<FileKind> kind_of(const fs::path& path) {
  const std::string extension = extension_of(path);
  if (extension == ".npy") return FileKind::kNpy;
  if (extension == ".safetensors") return FileKind::kSafetensors;
  if (extension == ".parquet") return FileKind::kParquet;
  if (extension == ".jsonl" || extension == ".json" || extension == ".ndjson") return FileKind::kJson;
  if (extension == ".txt" || extension == ".text" || extension == ".md" || extension == ".rst")
    return FileKind::kText;
  return std::nullopt;
}

std::string_view kind_name(FileKind kind) {
  switch (kind) {
    case FileKind::kText:
      return "text";
    case FileKind::kJson:
      return "JSON";
    case FileKind::kParquet:
      return "Parquet";
    case FileKind::kNpy:
      return ".npy";
    case FileKind::kSafetensors:
      return "safetensors";
  }
  return "";
}

// Of several kinds in one folder the first of these is read.
constexpr FileKind kPreferred[] = {FileKind::kNpy, FileKind::kSafetensors, FileKind::kParquet,
                                   FileKind::kJson, FileKind::kText};

void refuse_compressed(const fs::path& path) {
  const std::string extension = extension_of(path);
  const char* unpack = extension == ".gz"                          ? "gunzip -k"
                       : extension == ".zst"                       ? "unzstd"
                       : extension == ".xz" || extension == ".bz2" ? "unxz or bunzip2 -k"
                                                                   : nullptr;
  if (extension == ".csv" || extension == ".tsv" || extension == ".arrow") {
    throw usage_error(
        fmt::format("{}: {} files are not read; supported: {}", path.string(), extension, kReadable),
        "convert it, for instance in Python: `datasets.Dataset.from_file(IN).to_json(OUT)` or "
        "`pandas.read_csv(IN).to_json(OUT, orient=\"records\", lines=True)`");
  }
  if (unpack != nullptr) {
    throw usage_error(fmt::format("{}: compressed files are not read", path.string()),
                      fmt::format("unpack it first: `{} {}`", unpack, path.filename().string()));
  }
}

bool is_description(const fs::path& path) {
  const std::string name = lower_case(path.filename().string());
  return name == "readme.md" || name == "license.txt" || name == "dataset_infos.json" ||
         name == "dataset_dict.json" || name == "dataset_info.json";
}

// Every file below `folder` but hidden ones, relative to it, sorted.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, error);
  for (const fs::recursive_directory_iterator end; !error && at != end; at.increment(error)) {
    const bool hidden = at->path().filename().string().starts_with('.');
    std::error_code ignored;
    if (at->is_directory(ignored)) {
      if (hidden) at.disable_recursion_pending();
    } else if (!hidden && at->is_regular_file(ignored)) {
      if (files.size() == kMaxFiles)
        throw usage_error(fmt::format("{}: more than {} files", folder.string(), format_count(kMaxFiles)),
                          "give the folder of the dataset itself");
      files.push_back(at->path().lexically_relative(folder));
    }
  }
  if (error) throw io_error(ErrorCode::kInput, "list", folder, error.value());
  std::ranges::sort(files);
  return files;
}

// "train" of train-00000-of-00002.parquet, data/train_1.jsonl's "train_1", "" of nothing that looks like one.
std::string split_of(const fs::path& file) {
  std::string stem = file.stem().string();
  const size_t shard = stem.find("-0");
  if (shard != stem.npos && stem.find("-of-", shard) != stem.npos) stem.resize(shard);
  constexpr std::string_view kSplits[] = {"train", "test", "validation", "valid", "dev", "eval"};
  const auto is_split = [&](std::string_view name) {
    return std::ranges::any_of(kSplits, [&](std::string_view s) {
      return name == s || (name.starts_with(s) && (name[s.size()] == '_' || name[s.size()] == '-'));
    });
  };
  if (is_split(stem)) return stem;
  for (const fs::path& part : file.parent_path()) {
    if (is_split(part.string())) return part.string();
  }
  return stem;
}

// Keeps the files of one split.
void choose_split(std::vector<fs::path>& files, const std::string& asked, DatasetFiles& out,
                  const std::string& dataset) {
  std::set<std::string> names;
  for (const fs::path& file : files) names.insert(split_of(file));
  const std::vector<std::string> known(names.begin(), names.end());
  std::string split = asked;
  if (asked.empty()) {
    // "train" itself before train_1 and the like; no such split: everything.
    const auto train =
        std::ranges::find_if(known, [](const std::string& s) { return s.starts_with("train"); });
    if (train == known.end()) return;
    split = names.contains("train") ? "train" : *train;
  } else if (!names.contains(asked)) {
    throw usage_error(fmt::format("{}: there is no split `{}`", dataset, printable(asked)),
                      fmt::format("it has {}", quoted_list(known, "and")));
  }
  std::erase_if(files, [&](const fs::path& file) { return split_of(file) != split; });
  if (asked.empty() && known.size() > 1)
    out.notes.push_back(
        fmt::format("read the split `{}` of {}; `--split` names another", split, quoted_list(known, "and")));
}

DatasetFiles files_of_folder(const fs::path& folder, const std::string& dataset, const std::string& split) {
  std::vector<fs::path> all = files_below(folder);
  std::erase_if(all, is_description);
  if (all.empty())
    throw usage_error(fmt::format("the dataset {} is a folder without files", dataset),
                      fmt::format("readable are {}", kReadable));
  std::map<FileKind, std::vector<fs::path>> by_kind;
  for (const fs::path& file : all) {
    if (const auto kind = kind_of(file)) by_kind[*kind].push_back(file);
  }
  if (by_kind.empty()) {
    for (const fs::path& file : all) refuse_compressed(folder / file);
    throw usage_error(fmt::format("the dataset {} has no file that can be read, such as {}", dataset,
                                  printable(all.front().string())),
                      fmt::format("readable are {}", kReadable));
  }
  DatasetFiles out;
  for (const FileKind kind : kPreferred) {
    const auto found = by_kind.find(kind);
    if (found == by_kind.end()) continue;
    out.kind = kind;
    std::vector<fs::path> files = std::move(found->second);
    const size_t of_kind = files.size();
    if (kind != FileKind::kText || !split.empty()) choose_split(files, split, out, dataset);
    if (of_kind < all.size())
      out.notes.push_back(fmt::format("{} of {} files in {} are no {} and were passed over",
                                      all.size() - of_kind, all.size(), dataset, kind_name(kind)));
    for (const fs::path& file : files) out.files.push_back(folder / file);
    break;
  }
  out.description = fmt::format("{} ({} {} file{})", dataset, out.files.size(), kind_name(out.kind),
                                out.files.size() == 1 ? "" : "s");
  return out;
}

}  // namespace

DatasetFiles find_dataset_files(const std::string& dataset, const std::string& split) {
  std::error_code error;
  const fs::file_status status = fs::status(dataset, error);
  if (fs::is_directory(status)) return files_of_folder(dataset, dataset, split);
  if (!fs::exists(status)) {
    if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
      throw io_error(ErrorCode::kInput, "open", dataset, error.value());
    return files_of_folder(resolve_dataset_folder(dataset), dataset, split);
  }
  if (!split.empty())
    throw usage_error(fmt::format("--split {}: {} is one file", split, dataset),
                      "give the split's file itself, without --split");
  refuse_compressed(dataset);
  DatasetFiles out;
  out.kind = kind_of(dataset).value_or(FileKind::kText);
  out.files = {dataset};
  out.description = dataset;
  return out;
}

}  // namespace tersor::datasets
