// The local Hugging Face cache: from a Hub id to the folder of a downloaded snapshot.
//
// Layout: <cache>/models--<org>--<name>/{refs/<revision> (a file that holds a commit), snapshots/<commit>/
// (links into blobs/), blobs/<hash>}; for a dataset datasets--<org>--<name>.
// https://huggingface.co/docs/huggingface_hub/guides/manage-cache
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace tersor {

// HF_HUB_CACHE, or HUGGINGFACE_HUB_CACHE, or HF_HOME/hub, or $XDG_CACHE_HOME/huggingface/hub, or
// ~/.cache/huggingface/hub.
std::filesystem::path hub_cache_folder();

// The folder that `model` names: a folder as it is; a Hub id ("org/name" or "name", optionally "@revision")
// as the snapshot in the local cache. A folder of that name wins. Throws Error(kInput) when it is neither.
std::filesystem::path resolve_model_folder(const std::string& model);

// The same for a dataset's Hub id alone: the snapshot in the local cache. Throws Error(kInput) when there is
// none.
std::filesystem::path resolve_dataset_folder(const std::string& dataset);

// Whether a file whose links are all followed is a blob of a Hub cache: …/models--<repo>/blobs/<file>.
bool is_hub_blob(const std::filesystem::path& resolved);

}  // namespace tersor
