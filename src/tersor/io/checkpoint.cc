#include "tersor/io/checkpoint.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <exception>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/io/checkpoint_files.h"
#include "tersor/io/file.h"
#include "tersor/io/hub_cache.h"
#include "tersor/io/safetensors/safetensors_index.h"
#include "tersor/parallel/thread_pool.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigName = "config.json";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = 1ull << 30;
// Reading headers waits for the disk or the network far more than it computes.
constexpr size_t kHeaderThreads = 16;
// Deeper sub-folders than any checkpoint has.
constexpr size_t kMaxFolderDepth = 32;
constexpr const char* kIncomplete = "the download is incomplete: run it again";

const FolderFile* find_file(std::span<const FolderFile> files, std::string_view name) {
  const auto found = std::ranges::lower_bound(files, name, {}, &FolderFile::relative_path);
  return found != files.end() && found->relative_path == name ? &*found : nullptr;
}

bool any_name(std::span<const FolderFile> files, std::string_view prefix, std::string_view suffix) {
  return std::ranges::any_of(files, [&](const FolderFile& file) {
    return file.relative_path.starts_with(prefix) && file.relative_path.ends_with(suffix);
  });
}

bool has_folder(const FolderListing& top, std::string_view name) {
  return std::ranges::find(top.sub_folders, name) != top.sub_folders.end();
}

// The file, readable; refuses what cannot be read as part of the checkpoint.
const FolderFile& required_file(const FolderListing& top, const fs::path& folder, const std::string& name) {
  const FolderFile* file = find_file(top.files, name);
  if (file == nullptr) {
    const bool is_folder = has_folder(top, name);
    throw input_error(fmt::format("{} {}, a file was expected", (folder / name).string(),
                                  is_folder ? "is a folder" : "does not exist"),
                      is_folder ? "put the file itself in its place" : kIncomplete);
  }
  if (!file->problem.empty())
    throw input_error(fmt::format("{} {}, a file was expected", (folder / name).string(), file->problem),
                      "put the file itself in its place");
  return *file;
}

// There is no config.json: what the folder may be instead.
Error no_config(const FolderListing& top, const fs::path& folder) {
  std::string help = "give the folder that holds config.json and model.safetensors";
  if (top.files.empty() && top.sub_folders.empty()) {
    help = "the folder is empty";
  } else if (has_folder(top, "snapshots") && has_folder(top, "refs")) {
    help =
        "this is a model's folder in the Hugging Face cache: give the Hub id (org/name), or a folder below "
        "snapshots/";
  } else if (find_file(top.files, "model_index.json") != nullptr) {
    help = "this is a diffusers pipeline: give one of its sub-folders that holds a language model";
  } else if (find_file(top.files, "adapter_config.json") != nullptr) {
    help = "this is a LoRA adapter: merge it into its base model first (peft: merge_and_unload)";
  } else if (find_file(top.files, "params.json") != nullptr) {
    help =
        "this is a checkpoint in its maker's own format (params.json): take the Hugging Face version of the "
        "model";
  } else if (any_name(top.files, "", ".gguf")) {
    help = "GGUF files are compressed already: start from the original Hugging Face checkpoint";
  }
  return input_error(fmt::format("{} holds no config.json", folder.string()), help);
}

// There is a config.json, but no shard.
Error no_weights(const FolderListing& top, const fs::path& folder) {
  const std::string what = fmt::format("{} holds no safetensors file", folder.string());
  if (any_name(top.files, "", ".bin") || any_name(top.files, "", ".pt") || any_name(top.files, "", ".pth")) {
    return input_error(
        what + ", only pickled weights",
        "pickles can run code and are not read; convert them: load the model with Transformers and "
        "call save_pretrained(..., safe_serialization=True)");
  }
  if (any_name(top.files, "consolidated", ".safetensors")) {
    return input_error(what + " but consolidated ones, which have their maker's own tensor names",
                       "take the Hugging Face version of the model, which holds model*.safetensors");
  }
  return input_error(what, kIncomplete);
}

std::optional<SafetensorsIndex> read_index(const FolderListing& top, const fs::path& folder) {
  if (find_file(top.files, kIndexName) == nullptr && !has_folder(top, kIndexName)) return std::nullopt;
  const fs::path& path = required_file(top, folder, kIndexName).resolved;
  return parse_safetensors_index(read_file(path, kMaxIndexBytes), (folder / kIndexName).string());
}

// Every shard the index names is there, and no numbered shard is left over.
void check_index_files(const SafetensorsIndex& index, const FolderListing& top, const fs::path& folder) {
  std::vector<std::string> absent;
  for (const std::string& name : index.files) {
    if (find_file(top.files, name) == nullptr && !has_folder(top, name)) absent.push_back(name);
  }
  if (!absent.empty()) {
    constexpr size_t kShown = 3;
    const size_t shown = std::min(absent.size(), kShown);
    throw input_error(
        fmt::format("{} names {} files, {} of them absent from the folder: {}{}",
                    (folder / kIndexName).string(), index.files.size(), absent.size(),
                    quoted_list(std::span(absent).first(shown), "and"), absent.size() > shown ? ", …" : ""),
        kIncomplete);
  }
  for (const FolderFile& file : top.files) {
    if (is_numbered_shard(file.relative_path) &&
        !std::ranges::binary_search(index.files, file.relative_path)) {
      throw input_error(
          fmt::format("{}: no entry of the index names this shard", (folder / file.relative_path).string()),
          "it may be left from an earlier download or save: remove it, or download the checkpoint again");
    }
  }
}

// Opens the shards and reads their headers on several threads.
std::vector<Shard> read_shards(const std::vector<std::string>& names, const FolderListing& top,
                               const fs::path& folder) {
  std::vector<const FolderFile*> files;
  uint64_t total = 0;
  for (const std::string& name : names) {
    files.push_back(&required_file(top, folder, name));
    total += files.back()->bytes;
  }
  const CacheUse cache = cache_use_for(total);
  reserve_descriptors(names.size());

  std::vector<Shard> shards(names.size());
  std::vector<std::exception_ptr> errors(names.size());
  ThreadPool pool(std::min(names.size(), kHeaderThreads));
  pool.parallel_for(names.size(), [&](size_t i, size_t /*worker*/) {
    try {
      shards[i].file_name = names[i];
      shards[i].source = open_file_source(files[i]->resolved, cache);
      shards[i].header = read_safetensors_header(*shards[i].source);
    } catch (...) {
      errors[i] = std::current_exception();
    }
  });
  for (const std::exception_ptr& error : errors) {  // the first by name, whichever thread was first
    if (error) std::rethrow_exception(error);
  }
  return shards;
}

std::map<std::string, TensorPlace> place_tensors(const std::vector<Shard>& shards, const fs::path& folder) {
  std::vector<std::pair<std::string_view, TensorPlace>> sorted;
  for (size_t s = 0; s < shards.size(); ++s) {
    const std::vector<TensorInfo>& tensors = shards[s].header.tensors;
    for (size_t t = 0; t < tensors.size(); ++t) sorted.push_back({tensors[t].name, {s, t}});
  }
  std::ranges::sort(sorted, {}, [](const auto& entry) { return std::pair(entry.first, entry.second.shard); });
  std::map<std::string, TensorPlace> tensors;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const auto& [name, place] = sorted[i];
    if (i > 0 && sorted[i - 1].first == name) {
      throw input_error(
          fmt::format("{}: tensor `{}` is in two shards, {} and {}", folder.string(), printable(name),
                      shards[sorted[i - 1].second.shard].file_name, shards[place.shard].file_name),
          "one of them is left from an earlier download or save: remove it");
    }
    tensors.emplace_hint(tensors.end(), name, place);
  }
  return tensors;
}

// Every tensor is where the index says.
void check_index_entries(const SafetensorsIndex& index, const Checkpoint& checkpoint) {
  auto at = checkpoint.tensors.begin();
  for (const SafetensorsIndex::Entry& entry : index.entries) {  // both in order of name
    while (at != checkpoint.tensors.end() && at->first < entry.tensor) ++at;
    const std::string& file = index.files[entry.file];
    const bool found = at != checkpoint.tensors.end() && at->first == entry.tensor;
    if (found && checkpoint.shards[at->second.shard].file_name == file) continue;
    throw input_error(
        fmt::format("{}: tensor `{}` is said to be in {}, but {}", (checkpoint.folder / kIndexName).string(),
                    printable(entry.tensor), file,
                    found ? fmt::format("it is in {}", checkpoint.shards[at->second.shard].file_name)
                          : "no shard holds it"),
        "index and shards are of different versions: download the checkpoint again");
  }
}

// The folders that sentence-transformers' modules.json names: their small weights belong to the model.
std::vector<std::string> module_folders(const FolderListing& top) {
  std::vector<std::string> folders;
  const FolderFile* file = find_file(top.files, "modules.json");
  if (file == nullptr || !file->problem.empty()) return folders;
  const Json modules = read_json_file(file->resolved);
  if (!modules.is_array()) return folders;
  for (const Json& module : modules) {
    if (!module.is_object()) continue;
    const auto path = module.find("path");
    if (path != module.end() && path->is_string()) folders.push_back(path->get<std::string>());
  }
  return folders;
}

// Sorts the files that are no shards into those that go along and those that stay.
void place_other_files(FolderListing top, Checkpoint& checkpoint) {
  const std::vector<std::string> modules = module_folders(top);
  std::vector<FolderFile> files = std::move(top.files);
  std::vector<std::string> hidden = std::move(top.hidden);
  std::deque<std::string> folders(top.sub_folders.begin(), top.sub_folders.end());
  for (; !folders.empty(); folders.pop_front()) {
    if (std::ranges::count(folders.front(), '/') >= static_cast<std::ptrdiff_t>(kMaxFolderDepth)) {
      throw input_error(fmt::format("{}: folders nested deeper than {} levels",
                                    (checkpoint.folder / folders.front()).string(), kMaxFolderDepth));
    }
    FolderListing below = list_folder(checkpoint.folder, folders.front());
    std::ranges::move(below.files, std::back_inserter(files));
    std::ranges::move(below.hidden, std::back_inserter(hidden));
    std::ranges::copy(below.sub_folders, std::back_inserter(folders));
  }
  std::ranges::sort(files, {}, &FolderFile::relative_path);

  for (const FolderFile& file : files) {
    const std::string& path = file.relative_path;
    const bool is_shard = std::ranges::binary_search(checkpoint.shards, path, {}, &Shard::file_name);
    if (is_shard || path == kConfigName || (checkpoint.has_index && path == kIndexName)) continue;
    // Now rather than when it is copied, at the end.
    if (file.problem.empty() && ::access(file.resolved.c_str(), R_OK) != 0)
      throw io_error(ErrorCode::kInput, "read", checkpoint.folder / path, errno);
    if (file.suspect) {
      throw input_error(fmt::format("{} {}", (checkpoint.folder / path).string(), file.problem),
                        "put the file itself in its place, or remove it");
    }
    const std::string reason =
        file.problem.empty() ? reason_to_leave(path, file.bytes, modules) : file.problem;
    if (reason.empty()) {
      checkpoint.other_files.push_back({path, file.bytes});
    } else {
      checkpoint.skipped_files.push_back({path, file.bytes, reason});
    }
  }
  for (const std::string& path : hidden) {
    std::error_code error;
    const bool is_folder = fs::is_directory(fs::symlink_status(checkpoint.folder / path, error));
    checkpoint.skipped_files.push_back({path, 0, is_folder ? "a hidden folder" : "a hidden file"});
  }
  std::ranges::sort(checkpoint.skipped_files, {}, &SkippedFile::relative_path);
}

}  // namespace

Checkpoint open_checkpoint(const std::string& model) {
  Checkpoint checkpoint;
  checkpoint.folder = fs::canonical(resolve_model_folder(model));
  const fs::path& folder = checkpoint.folder;
  FolderListing top = list_folder(folder);

  if (find_file(top.files, kConfigName) == nullptr && !has_folder(top, kConfigName))
    throw no_config(top, folder);
  checkpoint.config = read_json_file(required_file(top, folder, kConfigName).resolved);
  if (!checkpoint.config.is_object()) {
    throw input_error(fmt::format("{} was expected to hold a JSON object, it holds {}",
                                  (folder / kConfigName).string(), json_kind(checkpoint.config)),
                      "take config.json from the model's original checkpoint");
  }

  std::optional<SafetensorsIndex> index = read_index(top, folder);
  if (index) check_index_files(*index, top, folder);
  const std::vector<std::string> names = index ? index->files : choose_shards(top.files);
  if (names.empty()) throw no_weights(top, folder);
  checkpoint.shards = read_shards(names, top, folder);
  checkpoint.tensors = place_tensors(checkpoint.shards, folder);
  if (index) {
    check_index_entries(*index, checkpoint);
    checkpoint.has_index = true;
    checkpoint.index_metadata = std::move(index->metadata);
  }
  place_other_files(std::move(top), checkpoint);
  return checkpoint;
}

}  // namespace tersor
