// JSON, through nlohmann: the one header of the project that names that library.
//
// `Json` keeps keys sorted, as the files we write have them; `parse_json` refuses what a config file must not
// hold.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace tersor {

using Json = nlohmann::json;
// With the keys in the order of the text, for what is printed again, such as messages by a chat template.
using OrderedJson = nlohmann::ordered_json;

// Parses `text`. `origin` names it in errors (a path). Throws Error(kInput) with line and column when it is
// not JSON, nests deeper than 256 levels, or repeats a key in one object. NaN, Infinity, 1E400 and whole
// numbers of any length are taken as Python's json module takes them (python_numbers.h): a whole number
// beyond 64 bits is no number to nlohmann, and dump_json writes its digits again.
Json parse_json(std::string_view text, const std::string& origin);

// Reads and parses a file; a file above 1 GiB is refused.
Json read_json_file(const std::filesystem::path& path);

// As the Hub's writers lay it out: 2-space indent, sorted keys, non-ASCII escaped, no newline at the end; a
// float that is not finite as NaN, Infinity or -Infinity.
std::string dump_json(const Json& value);

// A value in one line, for messages.
std::string json_text(const Json& value);
// "a number", "an object", …: its type, for messages.
std::string_view json_kind(const Json& value);

}  // namespace tersor
