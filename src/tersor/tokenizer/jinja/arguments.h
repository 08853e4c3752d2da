// Binds the arguments of a call to the names of its parameters.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/tokenizer/jinja/value.h"

namespace tersor::jinja {

// What walking through all of them costs.
uint64_t weight_of(const Arguments& arguments);

class Bound {
 public:
  // Throws TemplateError for too many arguments, unknown names, and values given twice.
  Bound(std::string_view function, const Arguments& arguments, std::initializer_list<const char*> names);

  // By place in `names`; null when not given.
  const Value* get(size_t i) const { return values_[i] ? &*values_[i] : nullptr; }
  // Throws when it was not given.
  const Value& require(size_t i) const;

  // With a fallback; throw for other types.
  std::string text(size_t i, std::string_view fallback) const;
  std::string require_text(size_t i) const;
  int64_t integer(size_t i, int64_t fallback) const;
  bool truthy(size_t i, bool fallback) const { return values_[i] ? values_[i]->truthy() : fallback; }

 private:
  std::string function_;
  std::vector<const char*> names_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace tersor::jinja
