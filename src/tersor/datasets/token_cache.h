// Samples kept on disk, so that a dataset is tokenized once. Internal to datasets/.
//
// One file a key in $XDG_CACHE_HOME/tersor/calibration (default ~/.cache/tersor/calibration); the folder may
// be emptied at any time. Layout, little-endian: "TRSRTOK1"; u64 documents, documents read, too short,
// samples; u64 ids of each sample; i32 ids of all; u64 XXH3 of everything before.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/datasets/sampling.h"

namespace tersor::datasets {

struct CachedSamples {
  Samples samples;
  uint64_t documents = 0;  // that the dataset has
};

// Where the samples of a key lie; empty without a home folder.
std::filesystem::path token_cache_file(const std::string& key);

// What stands for the contents of files in a key. Reads them whole.
std::string hash_of_files(const std::vector<std::filesystem::path>& files);

// nullopt when there is no such file, and when it is damaged (`damaged` is then true): it is made anew.
std::optional<CachedSamples> read_token_cache(const std::filesystem::path& file, bool& damaged);

// A cache that cannot be written (disk full, read-only) is no error.
void write_token_cache(const std::filesystem::path& file, const CachedSamples& cached);

// The two without the disk.
std::string pack_samples(const CachedSamples& cached);
std::optional<CachedSamples> unpack_samples(std::string_view bytes);

}  // namespace tersor::datasets
