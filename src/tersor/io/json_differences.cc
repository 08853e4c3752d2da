#include "tersor/io/json_differences.h"

#include <cmath>
#include <set>

#include <fmt/format.h>

#include "tersor/base/text.h"

namespace tersor {
namespace {

bool is_nan(const Json& value) { return value.is_number_float() && std::isnan(value.get<double>()); }

std::string short_text(const Json& value) { return printable(json_text(value)); }

class Comparison {
 public:
  explicit Comparison(size_t limit) : limit_(limit) {}

  void compare(const Json& found, const Json& expected, const std::string& path) {
    if (found.is_object() && expected.is_object()) return compare_objects(found, expected, path);
    if (found.is_array() && expected.is_array() && found.size() == expected.size()) {
      for (size_t i = 0; i < found.size(); ++i)
        compare(found[i], expected[i], fmt::format("{}[{}]", path, i));
      return;
    }
    if (found == expected || (is_nan(found) && is_nan(expected))) return;
    add(fmt::format("`{}` is {}; {} was expected", path, short_text(found), short_text(expected)));
  }

  std::vector<std::string> differences;

 private:
  void compare_objects(const Json& found, const Json& expected, const std::string& path) {
    std::set<std::string> keys;
    for (const Json* object : {&found, &expected}) {
      for (const auto& [key, unused] : object->items()) keys.insert(key);
    }
    for (const std::string& key : keys) {
      const std::string below = (path.empty() ? "" : path + ".") + printable(key);
      const auto a = found.find(key), b = expected.find(key);
      if (a == found.end()) {
        add(fmt::format("`{}` is missing; {} was expected", below, short_text(*b)));
      } else if (b == expected.end()) {
        add(fmt::format("`{}` is {}, but no such key was expected", below, short_text(*a)));
      } else {
        compare(*a, *b, below);
      }
    }
  }

  void add(std::string text) {
    if (differences.size() < limit_) differences.push_back(std::move(text));
  }

  size_t limit_;
};

}  // namespace

std::vector<std::string> json_differences(const Json& found, const Json& expected, size_t limit) {
  Comparison comparison(limit);
  comparison.compare(found, expected, "");
  return std::move(comparison.differences);
}

}  // namespace tersor
