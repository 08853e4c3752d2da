#include "tersor/io/json.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/io/file.h"
#include "tersor/io/json_tree.h"

namespace tersor {
namespace {

constexpr size_t kMaxDepth = 256;
constexpr uint64_t kMaxFileBytes = 1ull << 30;

}  // namespace

std::string json_place(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t start = before.rfind('\n');
  return fmt::format("line {}, column {}", line,
                     before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1);
}

bool JsonTree::key(std::string& name) {
  const auto [slot, is_new] = open_.back()->get_ref<Json::object_t&>().try_emplace(name);
  if (!is_new)
    throw input_error(fmt::format("{}: the key \"{}\" stands twice in one object", origin_, printable(name)));
  member_ = &slot->second;
  return true;
}

bool JsonTree::put(Json value) {
  *place() = std::move(value);
  return true;
}

// Where the next value belongs: the root, the end of the open array, or the last key's member.
Json* JsonTree::place() {
  if (open_.empty()) return &root_;
  if (open_.back()->is_object()) return member_;
  return &open_.back()->get_ref<Json::array_t&>().emplace_back();
}

bool JsonTree::open(Json container) {
  if (open_.size() == kMaxDepth)
    throw input_error(fmt::format("{}: JSON nested deeper than {} levels", origin_, kMaxDepth));
  Json* at = place();
  *at = std::move(container);
  open_.push_back(at);
  return true;
}

bool JsonTree::close() {
  open_.pop_back();
  return true;
}

Json parse_json(std::string_view text, const std::string& origin) {
  JsonTree tree(origin);
  // The parser takes a NUL for the end of its input; what came behind it would be lost without a word.
  const size_t nul = text.find('\0');
  if (nul != text.npos || !Json::sax_parse(text.begin(), text.end(), &tree)) {
    const size_t read = nul != text.npos ? nul + 1 : tree.error_position();
    throw input_error(
        fmt::format("{}: not valid JSON at {}", origin, json_place(text, read == 0 ? 0 : read - 1)),
        "the file may be cut short or hand-edited; compare it with the one on the Hub");
  }
  return tree.take();
}

Json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_file(path, kMaxFileBytes), path.string());
}

std::string dump_json(const Json& value) { return value.dump(2, ' ', true, Json::error_handler_t::replace); }

}  // namespace tersor
