// Where two JSON values differ, as a person reads it.
#pragma once

#include <string>
#include <vector>

#include "tersor/io/json.h"

namespace tersor {

// "`quantization_config.format` is \"a\"; \"b\" was expected", one for each place, at most `limit`; empty:
// the two are equal. A NaN equals a NaN.
std::vector<std::string> json_differences(const Json& found, const Json& expected, size_t limit = 8);

}  // namespace tersor
