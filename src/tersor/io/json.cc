#include "tersor/io/json.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/base/utf8.h"
#include "tersor/io/file.h"
#include "tersor/io/json_tree.h"
#include "tersor/io/python_numbers.h"

namespace tersor {
namespace {

constexpr size_t kMaxDepth = 256;
constexpr uint64_t kMaxFileBytes = 1ull << 30;

// "line 3, column 14" of a byte offset.
std::string place_of(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t start = before.rfind('\n');
  return fmt::format("line {}, column {}", line,
                     before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1);
}

}  // namespace

std::string json_problem(std::string_view text, size_t read) {
  // The parser takes a NUL for the end of its input.
  const size_t nul = text.find('\0');
  if (nul != text.npos) return fmt::format("not valid JSON at {}", place_of(text, nul));
  if (const size_t valid = valid_utf8_prefix(text); valid < text.size() && valid < read)
    return fmt::format("not UTF-8 at {} (byte {})", place_of(text, valid), valid);
  if (read > text.size() && !text.empty())
    return fmt::format("ends in the middle, at {}", place_of(text, text.size()));
  return fmt::format("not valid JSON at {}", place_of(text, read == 0 ? 0 : read - 1));
}

bool JsonTree::key(std::string& name) {
  const auto [slot, is_new] = open_.back()->get_ref<Json::object_t&>().try_emplace(name);
  if (!is_new)
    throw input_error(fmt::format("{}: the key \"{}\" stands twice in one object", origin_, printable(name)),
                      "remove one of the two; they may say different things");
  member_ = &slot->second;
  return true;
}

bool JsonTree::number_float(Json::number_float_t value, const std::string& text) {
  if (!is_spelled_float(text)) return put(whole_or_float(value, text));
  const std::optional<double> meant = spelled_float(text);
  return meant && put(*meant);
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
    throw input_error(fmt::format("{}: JSON nested deeper than {} levels", origin_, kMaxDepth),
                      "no file of a model is so deep: it is damaged or made to harm");
  Json* at = place();
  *at = std::move(container);
  open_.push_back(at);
  return true;
}

bool JsonTree::close() {
  open_.pop_back();
  return true;
}

namespace {

// Bytes read when `text` turns out not to be JSON; nullopt when it is, and `tree` then holds it.
std::optional<size_t> parse_into(JsonTree& tree, std::string_view text) {
  // The parser takes a NUL for the end of its input; what comes behind it would be lost without a word.
  if (const size_t nul = text.find('\0'); nul != text.npos) return nul + 1;
  if (Json::sax_parse(text.begin(), text.end(), &tree)) return std::nullopt;
  return tree.error_position();
}

}  // namespace

Json parse_json(std::string_view text, const std::string& origin) {
  JsonTree tree(origin);
  std::optional<size_t> read = parse_into(tree, text);
  const std::optional<std::string> spelled = read ? spell_python_floats(text) : std::nullopt;
  if (spelled) {
    text = *spelled;
    tree = JsonTree(origin);
    read = parse_into(tree, text);
  }
  if (read) {
    throw input_error(fmt::format("{}: {}", origin, json_problem(text, *read)),
                      "the file may be cut short or hand-edited; compare it with the one on the Hub");
  }
  return tree.take();
}

Json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_file(path, kMaxFileBytes), path.string());
}

std::string dump_json(const Json& value) {
  const auto dump = [](const Json& v) { return v.dump(2, ' ', true, Json::error_handler_t::replace); };
  return has_python_number(value) ? dump_with_python_numbers(value, dump) : dump(value);
}

std::string json_text(const Json& value) {
  return dump_with_python_numbers(
      value, [](const Json& v) { return v.dump(-1, ' ', true, Json::error_handler_t::replace); });
}

std::string_view json_kind(const Json& value) {
  if (value.is_binary()) return "a number beyond 64 bits";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a string";
  if (value.is_boolean()) return "a boolean";
  if (value.is_array()) return "an array";
  if (value.is_object()) return "an object";
  return "null";
}

}  // namespace tersor
