#include "tersor/io/json.h"

#include <algorithm>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/io/file.h"

namespace tersor {
namespace {

constexpr int kMaxDepth = 256;
constexpr uint64_t kMaxFileBytes = 1ull << 30;

// "line 3, column 14" of a byte offset.
std::string place(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t start = before.rfind('\n');
  return fmt::format("line {}, column {}", line,
                     before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1);
}

}  // namespace

Json parse_json(std::string_view text, const std::string& origin) {
  // Keys of the objects that are open, to find a repeated one: nlohmann would keep the last and say nothing.
  std::vector<std::set<std::string>> keys;
  auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth)
      throw input_error(fmt::format("{}: JSON nested deeper than {} levels", origin, kMaxDepth));
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.empty() &&
        !keys.back().insert(parsed.get<std::string>()).second) {
      throw input_error(fmt::format("{}: the key {} stands twice in one object", origin, parsed.dump()));
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check);
  } catch (const Json::parse_error& e) {
    throw input_error(
        fmt::format("{}: not valid JSON at {}", origin, place(text, e.byte == 0 ? 0 : e.byte - 1)),
        "the file may be cut short or hand-edited; compare it with the one on the Hub");
  } catch (const Json::exception& e) {
    throw input_error(fmt::format("{}: not valid JSON: {}", origin, e.what()));
  }
}

Json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_file(path, kMaxFileBytes), path.string());
}

std::string dump_json(const Json& value) { return value.dump(2, ' ', true, Json::error_handler_t::replace); }

}  // namespace tersor
