#include "tersor/io/checkpoint_files.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/io/file.h"
#include "tersor/io/hub_cache.h"
#include "tersor/io/paths.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;

// A weight file that fits below is an extra a processor loads (speaker embeddings, a pooling head); language
// models begin far above.
constexpr uint64_t kSmallTensors = 64ull << 20;

constexpr std::array<std::string_view, 10> kOtherFormats = {
    ".gguf", ".ggml", ".onnx", ".onnx_data", ".pth", ".ckpt", ".h5", ".msgpack", ".ot", ".tflite"};
constexpr std::array<std::string_view, 3> kTensorFiles = {".safetensors", ".bin", ".pt"};
constexpr std::array<std::string_view, 5> kModelNames = {"model", "pytorch_model", "consolidated",
                                                         "openvino_model", "tf_model"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& values, std::string_view value) {
  return std::ranges::find(values, value) != values.end();
}

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string lower_extension(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == name.npos ? "" : lower_case(name.substr(dot));
}

bool is_below(std::string_view path, std::string_view folder) {
  return !folder.empty() && path.size() > folder.size() && path.starts_with(folder) &&
         path[folder.size()] == '/';
}

// `path` (links followed) lies in `root` (links followed).
bool is_inside(const fs::path& path, const fs::path& root) {
  return is_at_or_below(path, root) && path != root;
}

// What stands at `path`: fills everything but the relative path. False for a folder to go into.
bool describe(const fs::path& path, const fs::path& root, FolderFile& file) {
  std::error_code error;
  const bool is_link = fs::is_symlink(fs::symlink_status(path, error));
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) {
    // Not followed: a cycle of links has no end, and the Hub has no linked folders.
    if (is_link) file.problem = "is a link to a folder";
    return is_link;
  }
  if (!fs::exists(status)) {
    file.problem = is_link ? "is a link to nothing" : fmt::format("cannot be read: {}", error.message());
    file.suspect = true;
    return true;
  }
  if (!fs::is_regular_file(status)) {
    file.problem = status.type() == fs::file_type::fifo     ? "is a pipe"
                   : status.type() == fs::file_type::socket ? "is a socket"
                                                            : "is a device";
    return true;
  }
  file.resolved = is_link ? fs::canonical(path, error) : path;
  if (is_link && !is_inside(file.resolved, root) && !is_hub_blob(file.resolved)) {
    file.problem = fmt::format("is a link out of the folder, to {}", file.resolved.string());
    file.suspect = true;
    return true;
  }
  file.bytes = fs::file_size(path, error);
  return true;
}

}  // namespace

FolderListing list_folder(const fs::path& root, const std::string& sub) {
  FolderListing listing;
  const fs::path folder = sub.empty() ? root : root / sub;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename();
    FolderFile file;
    file.relative_path = (fs::path(sub) / name).string();
    if (name.starts_with('.')) {
      listing.hidden.push_back(std::move(file.relative_path));
      continue;
    }
    if (describe(entries->path(), root, file)) {
      listing.files.push_back(std::move(file));
    } else {
      listing.sub_folders.push_back(std::move(file.relative_path));
    }
  }
  if (error) throw io_error(ErrorCode::kInput, "list the folder", folder, error.value());
  std::ranges::sort(listing.files, {}, &FolderFile::relative_path);
  std::ranges::sort(listing.sub_folders);
  return listing;
}

bool is_numbered_shard(std::string_view name) {
  auto take = [&](std::string_view text) {
    const bool found = name.starts_with(text);
    if (found) name.remove_prefix(text.size());
    return found;
  };
  auto take_digits = [&] {
    const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    name.remove_prefix(digits);
    return digits > 0;
  };
  return take("model-") && take_digits() && take("-of-") && take_digits() && name == ".safetensors";
}

std::vector<std::string> choose_shards(std::span<const FolderFile> top_level) {
  std::vector<std::string> standard, any;
  for (const FolderFile& file : top_level) {
    const std::string& name = file.relative_path;
    if (!name.ends_with(".safetensors")) continue;
    if (name == "model.safetensors" || is_numbered_shard(name)) standard.push_back(name);
    if (!name.starts_with("consolidated") && !name.starts_with("adapter_")) any.push_back(name);
  }
  return standard.empty() ? any : standard;
}

std::string reason_to_leave(std::string_view relative_path, uint64_t bytes,
                            std::span<const std::string> module_folders) {
  for (const std::string& folder : module_folders) {
    if (is_below(relative_path, folder)) return "";
  }
  const std::string_view name = file_name(relative_path);
  const bool at_top = name.size() == relative_path.size();
  const std::string extension = lower_extension(name);
  constexpr std::string_view kIndex = ".index.json";
  if (name.ends_with(kIndex)) {
    const std::string indexed = lower_extension(name.substr(0, name.size() - kIndex.size()));
    if (contains(kOtherFormats, indexed) || contains(kTensorFiles, indexed))
      return "the index of weight files that are not carried over";
  }
  if (contains(kOtherFormats, extension)) return "holds the uncompressed model in another format";
  if (!contains(kTensorFiles, extension)) return "";
  if (at_top && extension == ".safetensors")
    return "no part of the model: no index names it, nor does its own name";
  if (name.starts_with("adapter_")) return "";
  if (std::ranges::any_of(kModelNames, [&](std::string_view model) { return name.starts_with(model); }))
    return "holds the uncompressed model once more";
  if (bytes > kSmallTensors)
    return fmt::format("a weight file of {} that is no part of the model", format_bytes(bytes));
  return "";
}

}  // namespace tersor
