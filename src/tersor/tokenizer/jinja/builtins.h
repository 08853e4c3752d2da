// The filters, tests, methods and functions that templates may call. Each is a row of a table.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tersor/tokenizer/jinja/value.h"

namespace tersor::jinja {

using Filter = Value (*)(Interpreter&, const Value& input, const Arguments&);
using Test = bool (*)(Interpreter&, const Value& input, const Arguments&);

// Null when there is none of that name.
Filter find_text_filter(std::string_view name);
Filter find_sequence_filter(std::string_view name);
Filter find_layout_filter(std::string_view name);
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);

// Throw TemplateError for unknown names.
Value apply_filter(Interpreter&, const std::string& name, const Value& input, const Arguments&);
bool apply_test(Interpreter&, const std::string& name, const Value& input, const Arguments&);

// What the type of a value has by that name, a method as a function: nullopt when it has nothing.
std::optional<Value> find_attribute(const Value& value, const std::string& name);
std::optional<Function> find_string_method(const Value& value, const std::string& name);

// range, dict, namespace, raise_exception, strftime_now, joiner.
void add_global_functions(Dict& globals);

// json.dumps(value, ensure_ascii=…, indent=…, separators=…, sort_keys=…) as transformers gives it to
// templates.
Value to_json(Interpreter&, const Value& input, const Arguments&);

}  // namespace tersor::jinja
