// Numbers that Python's json module reads and writes and nlohmann has no place for: NaN, Infinity and
// -Infinity (no JSON, but in the config.json of Mamba-2 hybrids: "time_step_limit": [0.0, Infinity]), floats
// beyond double (1E400, which Python reads as Infinity), and whole numbers beyond 64 bits
// ("model_max_length": 1000000000000000019884624838656).
//
// Reading replaces the first two by numbers of a spelling that nobody writes, and recognises that spelling; a
// text that holds it already is left to fail as the bad JSON it is. Whole numbers keep their digits in a Json
// of type binary, which JSON text cannot make otherwise: no reader takes it for a number of another value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tersor/io/json.h"

namespace tersor {

// `text` with what is not finite spelled as numbers, outside of strings; nullopt when it has none.
std::optional<std::string> spell_python_floats(std::string_view text);

// Whether the text of a number holds that spelling; then what it stands for, or nullopt for things such as
// -NaN.
bool is_spelled_float(std::string_view number);
std::optional<double> spelled_float(std::string_view number);

// The Json of a number that a parser calls a float: its digits where it is whole, `value` else.
Json whole_or_float(double value, const std::string& text);

// `value` as `dump` writes it, but with these numbers as Python writes them.
std::string dump_with_python_numbers(Json value, std::string (*dump)(const Json&));

// Whether some number in it is one of these.
bool has_python_number(const Json& value);

}  // namespace tersor
