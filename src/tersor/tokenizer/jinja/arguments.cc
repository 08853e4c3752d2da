#include "tersor/tokenizer/jinja/arguments.h"

#include <algorithm>

#include <fmt/format.h>

namespace tersor::jinja {

uint64_t weight_of(const Arguments& arguments) {
  uint64_t sum = 0;
  for (const Value& v : arguments.positional) sum += v.weight();
  for (const auto& [name, v] : arguments.keywords) sum += v.weight();
  return sum;
}

Bound::Bound(std::string_view function, const Arguments& arguments, std::initializer_list<const char*> names)
    : function_(function), names_(names), values_(names.size()) {
  if (arguments.positional.size() > names_.size()) {
    throw TemplateError(fmt::format("{}() takes at most {} arguments ({} given)", function, names_.size(),
                                    arguments.positional.size()));
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(), values_.begin());
  for (const auto& [name, value] : arguments.keywords) {
    const auto it = std::find(names_.begin(), names_.end(), name);
    if (it == names_.end())
      throw TemplateError(fmt::format("{}() got an unexpected keyword argument '{}'", function, name));
    std::optional<Value>& place = values_[static_cast<size_t>(it - names_.begin())];
    if (place) throw TemplateError(fmt::format("{}() got multiple values for argument '{}'", function, name));
    place = value;
  }
}

const Value& Bound::require(size_t i) const {
  if (!values_[i])
    throw TemplateError(fmt::format("{}() is missing the argument '{}'", function_, names_[i]));
  return *values_[i];
}

std::string Bound::text(size_t i, std::string_view fallback) const {
  return values_[i] ? require_text(i) : std::string(fallback);
}

std::string Bound::require_text(size_t i) const {
  const Value& v = require(i);
  if (v.string() != nullptr) return v.string()->text;
  v.require_defined();
  throw TemplateError(fmt::format("{}(): '{}' must be a str, not {}", function_, names_[i], v.type_name()));
}

int64_t Bound::integer(size_t i, int64_t fallback) const {
  if (!values_[i]) return fallback;
  const Value& v = *values_[i];
  if (v.is_int() || v.is_bool()) return v.integer();
  v.require_defined();
  throw TemplateError(fmt::format("{}(): '{}' must be an int, not {}", function_, names_[i], v.type_name()));
}

}  // namespace tersor::jinja
