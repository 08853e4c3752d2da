#include "tersor/io/hub_cache.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/io/file.h"

namespace tersor {
namespace {

namespace fs = std::filesystem;

// A variable's value with a leading `~` replaced; nullopt when unset or empty.
std::optional<fs::path> path_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  const std::string_view text = value;
  const char* home = std::getenv("HOME");
  if (home != nullptr && (text == "~" || text.starts_with("~/")))
    return fs::path(fmt::format("{}{}", home, text.substr(1)));
  return fs::path(value);
}

struct HubId {
  std::string repository;  // "org/name"
  std::string revision;
};

// Letters of a repository's or a branch's name; no part may be `.` or `..`.
bool is_safe_name(std::string_view text, size_t max_parts) {
  size_t parts = 0;
  for (size_t start = 0; start <= text.size(); ++parts) {
    const size_t end = std::min(text.find('/', start), text.size());
    const std::string_view part = text.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return false;
    for (const char c : part) {
      const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
      if (!ok) return false;
    }
    start = end + 1;
  }
  return parts <= max_parts;
}

std::optional<HubId> parse_hub_id(std::string_view model) {
  const size_t at = model.find('@');
  HubId id{std::string(model.substr(0, at)), at == model.npos ? "main" : std::string(model.substr(at + 1))};
  if (!is_safe_name(id.repository, 2) || !is_safe_name(id.revision, 16)) return std::nullopt;
  return id;
}

std::string first_line(const fs::path& path) {
  std::string text = read_file(path, 4096);
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  return text;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

// Branches and tags whose commit is there.
std::vector<std::string> branches_in(const fs::path& repository) {
  std::vector<std::string> names = names_in(repository / "refs");
  std::error_code error;
  std::erase_if(names, [&](const std::string& name) {
    const fs::path ref = repository / "refs" / name;
    if (!fs::is_regular_file(ref, error)) return true;
    const std::string commit = first_line(ref);
    return !is_safe_name(commit, 1) || !fs::is_directory(repository / "snapshots" / commit, error);
  });
  return names;
}

// The snapshot of a repository in the cache. `kind` is how the cache's folders call it ("models"), `noun` how
// messages do; `what` else may be given.
fs::path snapshot_folder(const std::string& name, std::string_view kind, std::string_view noun,
                         std::string_view what) {
  const std::optional<HubId> id = parse_hub_id(name);
  if (!id) throw input_error(fmt::format("there is no {} {}", what, name), "check the path");

  const fs::path cache = hub_cache_folder();
  std::string folder = fmt::format("{}--{}", kind, id->repository);
  for (size_t slash; (slash = folder.find('/')) != folder.npos;) folder.replace(slash, 1, "--");
  const fs::path repository = cache / folder;
  std::error_code error;
  const std::string download =
      fmt::format("hf download {}{}{}", kind == "models" ? "" : fmt::format("--repo-type {} ", noun),
                  id->repository, id->revision == "main" ? "" : " --revision " + id->revision);
  if (!fs::is_directory(repository, error)) {
    throw input_error(fmt::format("there is no {} {}, and the Hugging Face cache {} holds no {} of that name",
                                  what, name, cache.string(), noun),
                      fmt::format("download it with `{}`, or give the path of a {}", download, what));
  }
  fs::path snapshot = repository / "snapshots" / id->revision;  // a commit, given in full
  const fs::path ref = repository / "refs" / id->revision;
  if (fs::is_regular_file(ref, error)) {
    const std::string commit = first_line(ref);
    if (!is_safe_name(commit, 1))
      throw input_error(fmt::format("{} does not hold a commit", ref.string()),
                        fmt::format("run `{}`", download));
    snapshot = repository / "snapshots" / commit;
  }
  if (!fs::is_directory(snapshot, error)) {
    std::vector<std::string> known = branches_in(repository);
    std::ranges::copy(names_in(repository / "snapshots"), std::back_inserter(known));
    throw input_error(fmt::format("the Hugging Face cache {} holds {}, but not its revision `{}`",
                                  cache.string(), id->repository, id->revision),
                      known.empty() ? fmt::format("download it with `{}`", download)
                                    : fmt::format("download it with `{}`, or give one that is there: {}",
                                                  download, quoted_list(known)));
  }
  return snapshot;
}

}  // namespace

fs::path hub_cache_folder() {
  if (const auto path = path_variable("HF_HUB_CACHE")) return *path;
  if (const auto path = path_variable("HUGGINGFACE_HUB_CACHE")) return *path;  // its former name
  if (const auto path = path_variable("HF_HOME")) return *path / "hub";
  if (const auto path = path_variable("XDG_CACHE_HOME")) return *path / "huggingface/hub";
  const auto home = path_variable("HOME");
  return (home ? *home : fs::path(".")) / ".cache/huggingface/hub";
}

bool is_hub_blob(const fs::path& resolved) {
  const fs::path blobs = resolved.parent_path();
  return blobs.filename() == "blobs" && blobs.parent_path().filename().string().starts_with("models--");
}

fs::path resolve_model_folder(const std::string& model) {
  if (model.empty())
    throw input_error("the model's name is empty", "give a folder or a Hub id such as org/name");
  std::error_code error;
  const fs::file_status status = fs::status(model, error);
  if (fs::is_directory(status)) return model;
  if (fs::exists(status)) {
    throw input_error(fmt::format("{} is a file; the folder of a checkpoint was expected", model),
                      fmt::format("give the folder that holds it, with its config.json: {}",
                                  fs::absolute(model).parent_path().string()));
  }
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    throw io_error(ErrorCode::kInput, "open", model, error.value());

  return snapshot_folder(model, "models", "model", "folder");
}

fs::path resolve_dataset_folder(const std::string& dataset) {
  return snapshot_folder(dataset, "datasets", "dataset", "file or folder");
}

}  // namespace tersor
