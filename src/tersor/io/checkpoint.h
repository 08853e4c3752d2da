// A Hugging Face checkpoint folder, opened: config.json, the tensors of all shards, and the files beside
// them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tersor/io/byte_source.h"
#include "tersor/io/json.h"
#include "tersor/io/safetensors/safetensors_header.h"

namespace tersor {

struct Shard {
  std::string file_name;  // "model-00001-of-00003.safetensors", relative to the folder
  std::unique_ptr<ByteSource> source;
  SafetensorsHeader header;
};

// A file that is carried over as it is (tokenizer, chat template, *.py, licence, …).
struct OtherFile {
  std::string relative_path;
  uint64_t bytes = 0;
};

// A file that is not carried over, since it holds the uncompressed model once more (checkpoint_files.h), is
// no regular file, or is hidden (.gitattributes); a hidden folder stands for all in it (.git, .cache).
struct SkippedFile {
  std::string relative_path;
  uint64_t bytes = 0;
  std::string reason;
};

struct TensorPlace {
  size_t shard = 0;   // index into Checkpoint::shards
  size_t tensor = 0;  // index into that shard's header.tensors
};

struct Checkpoint {
  std::filesystem::path folder;  // symlinks resolved
  Json config;                   // config.json
  std::vector<Shard> shards;     // in order of file name
  bool has_index = false;        // a model.safetensors.index.json names the shards
  Json index_metadata;           // its "metadata" object, or null
  // Files of the folder and its sub-folders, sorted by path. config.json, the shards and their index are in
  // neither list: a compressed copy has its own.
  std::vector<OtherFile> other_files;
  std::vector<SkippedFile> skipped_files;
  std::map<std::string, TensorPlace> tensors;  // by name

  const TensorInfo& info(const TensorPlace& p) const { return shards[p.shard].header.tensors[p.tensor]; }
};

// Opens a checkpoint: reads config.json, the index and every shard's header (shards on several threads), and
// no weight. `model` is a folder, or a Hub id ("org/name", optionally "@revision") that is found in the local
// Hugging Face cache (hub_cache.h).
//
// With an index, its weight_map says which files are shards: a `model.safetensors` beside them is stale, and
// other safetensors files (Mistral's consolidated*.safetensors) are the same weights once more; both are
// skipped. Without one, model.safetensors and numbered shards are read.
//
// Throws Error(kInput) naming the file and the tensor for everything that is wrong with it: no config.json,
// no safetensors (pickle only: says so), an index that names an absent shard or a tensor its shard lacks, a
// tensor in two shards, a numbered shard that no index entry names, a path or `..` in the index, a link
// leading out of the folder (links of a Hub cache into its blobs/ are followed), a shard or config.json that
// is a folder, a pipe or a device, and whatever parse_safetensors_header refuses. Of several broken shards it
// names the first.
Checkpoint open_checkpoint(const std::string& model);

}  // namespace tersor
