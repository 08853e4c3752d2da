// Which files of a checkpoint folder are its weights, which go along with it, and which stay behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor {

// An entry of a folder that is no folder.
struct FolderFile {
  std::string relative_path;       // "1_Pooling/config.json"
  std::filesystem::path resolved;  // where its bytes are: links followed
  uint64_t bytes = 0;
  // Why it cannot be read as a part of the checkpoint; empty for a regular file inside the folder.
  std::string problem;   // "is a pipe", "is a link to nothing", …
  bool suspect = false;  // the problem is one to stop for: a link out of the folder or to nothing
};

struct FolderListing {
  std::vector<FolderFile> files;         // sorted by relative_path
  std::vector<std::string> sub_folders;  // relative, sorted; linked folders are in `files`, with a problem
  std::vector<std::string> hidden;       // files and folders whose names begin with a dot; relative
};

// The entries of `root`/`sub`, not of folders below it.
// `root` has its links followed. Throws Error(kInput) when it cannot be listed.
FolderListing list_folder(const std::filesystem::path& root, const std::string& sub = "");

// "model-00001-of-00003.safetensors".
bool is_numbered_shard(std::string_view file_name);

// The weight files of a folder that has no index: `model.safetensors` and numbered shards; where there are
// none, every safetensors file but Mistral's `consolidated*` (the same weights again) and `adapter_*`.
std::vector<std::string> choose_shards(std::span<const FolderFile> top_level);

// Why a file of the folder that is no shard is not carried over to a compressed copy; empty when it is.
//
// Carried: everything a loader or a reader may want (tokenizer, chat template, *.py, licence, images, small
// tensors such as spk_dict.pt, LoRA adapters, and the folders that sentence-transformers' modules.json names:
// `module_folders`). Left behind: what holds the uncompressed model once more and would undo the compression
// or, worse, be loaded in its place: other formats (gguf, onnx, pth, h5, …), pickles, `consolidated*` and
// stray shards, the indexes of such files, and any other weight file above 64 MiB.
std::string reason_to_leave(std::string_view relative_path, uint64_t bytes,
                            std::span<const std::string> module_folders);

}  // namespace tersor
