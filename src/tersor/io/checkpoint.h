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
  std::vector<OtherFile> other_files;
  std::map<std::string, TensorPlace> tensors;  // by name

  const TensorInfo& info(const TensorPlace& p) const { return shards[p.shard].header.tensors[p.tensor]; }
};

// Opens a checkpoint: reads config.json, the index and every shard's header (shards on several threads), and
// no weight. `model` is a folder, or a Hub id ("org/name", optionally "@revision") found in the local Hugging
// Face cache (HF_HUB_CACHE, HF_HOME,
// ~/.cache/huggingface/hub: models--org--name/refs/<revision>, snapshots/<commit>).
// Throws Error(kInput) naming the file and the tensor for everything that is wrong with it: no config.json,
// no safetensors (pickle only: says so), index naming an absent shard or a tensor its shard lacks, a tensor
// in two shards, a shard that no index entry names, a symlink or `..` leading out of the folder (links inside
// a Hub cache snapshot into ../../blobs are what the cache is made of, and are followed).
Checkpoint open_checkpoint(const std::string& model);

}  // namespace tersor
