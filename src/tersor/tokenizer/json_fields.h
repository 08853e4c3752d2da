// Typed access to the fields of a tokenizer's JSON, with errors that name the field and the file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tersor/io/json.h"
#include "tersor/tokenizer/split_pattern.h"

namespace tersor::tokenizer {

// Each throws Error(kInput) when the field is absent (where no fallback is given) or of another type. A null
// field counts as absent.
const Json& require_field(const Json& object, const char* key, const std::string& origin);
std::string string_field(const Json& object, const char* key, const std::string& origin);
std::optional<std::string> optional_string_field(const Json& object, const char* key,
                                                 const std::string& origin);
bool bool_field(const Json& object, const char* key, bool fallback, const std::string& origin);
uint64_t uint_field(const Json& object, const char* key, const std::string& origin);
uint64_t uint_field(const Json& object, const char* key, uint64_t fallback, const std::string& origin);

// The `type` of a component. `what` names the component: "normalizer".
std::string component_type(const Json& object, const char* what, const std::string& origin);
// The error for a component type that we do not know.
[[noreturn]] void unsupported_component(const char* what, const std::string& type, const std::string& origin);

// {"String": "…"} or {"Regex": "…"}.
SplitPattern pattern_field(const Json& object, const char* key, const std::string& origin);

}  // namespace tersor::tokenizer
