// NaN, Infinity and -Infinity in JSON: not JSON, but what Python's json module writes and reads, and what the
// config.json of Mamba-2 hybrids holds ("time_step_limit": [0.0, Infinity]).
//
// Reading replaces the words by numbers of a spelling that nobody writes, and recognises that spelling. A
// text that holds it already is left to fail as the bad JSON it is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tersor/io/json.h"

namespace tersor {

// `text` with the words outside of strings spelled as numbers; nullopt when it has none.
std::optional<std::string> spell_python_floats(std::string_view text);

// Whether the text of a number holds that spelling; then what it stands for, or nullopt for things such as
// -NaN.
bool is_spelled_float(std::string_view number);
std::optional<double> spelled_float(std::string_view number);

// `value` as `dump` writes it, but with the three words, which nlohmann writes as null.
std::string dump_with_python_floats(Json value, std::string (*dump)(const Json&));

// Whether some number in it is not finite.
bool has_python_float(const Json& value);

}  // namespace tersor
