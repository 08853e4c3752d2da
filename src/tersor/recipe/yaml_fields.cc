#include "tersor/recipe/yaml_fields.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "tersor/base/text.h"

namespace tersor {
namespace {

// Numbers up to here are whole exactly when they read as whole doubles.
constexpr double kMaxWholeDouble = 9007199254740992.0;  // 2^53

Error wrong_kind(const RecipeSource& source, std::string_view key, const YamlNode& node,
                 std::string_view expected) {
  std::string help;
  if (node.quoted) help = "quotes make it text: take them away";
  return usage_error(
      fmt::format("{}: `{}` must be {}, but is {}", source.place(node), key, expected, describe(node)),
      std::move(help));
}

}  // namespace

std::string RecipeSource::place(const YamlNode& node) const {
  return fmt::format("{}:{}:{}", origin, node.line, node.column);
}
std::string RecipeSource::place(const YamlEntry& entry) const {
  return fmt::format("{}:{}:{}", origin, entry.line, entry.column);
}

std::string excerpt(std::string_view text) {
  constexpr size_t kMaxBytes = 60;
  std::string out(text.substr(0, kMaxBytes));
  if (text.size() > kMaxBytes) {
    // Not inside a character of several bytes.
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
    out += "…";
  }
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return out;
}

std::string describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "empty";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMapping:
      return "a mapping";
    case YamlNode::Kind::kScalar:
      break;
  }
  const std::string text = excerpt(node.scalar);
  return node.quoted ? fmt::format("the text \"{}\"", text) : fmt::format("`{}`", text);
}

std::string suggest(std::string_view name, std::span<const std::string> names, std::string_view are) {
  const std::vector<std::string> nearest = nearest_names(name, names);
  const std::string all = fmt::format("{} {}", are, quoted_list(names, "and"));
  return nearest.empty() ? all : fmt::format("did you mean {}? {}", quoted_list(nearest), all);
}

void expect_mapping(const RecipeSource& source, const YamlNode& node, std::string_view what,
                    std::span<const std::string> keys) {
  if (node.kind != YamlNode::Kind::kMapping) {
    throw usage_error(
        fmt::format("{}: {} must be a mapping, but is {}", source.place(node), what, describe(node)),
        fmt::format("its keys are {}", quoted_list(keys, "and")));
  }
  for (const YamlEntry& entry : node.entries) {
    if (std::ranges::find(keys, entry.key) != keys.end()) continue;
    throw usage_error(
        fmt::format("{}: unknown key `{}` of {}", source.place(entry), excerpt(entry.key), what),
        suggest(entry.key, keys, "its keys are"));
  }
}

const YamlNode* find_set(const YamlNode& node, std::string_view key) {
  const YamlNode* value = node.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

int64_t read_int(const RecipeSource& source, std::string_view key, const YamlNode& node) {
  if (const std::optional<int64_t> value = node.as_int()) return *value;
  const std::optional<double> number = node.as_double();
  if (number && std::abs(*number) <= kMaxWholeDouble && *number == std::floor(*number)) {
    return static_cast<int64_t>(*number);
  }
  throw wrong_kind(source, key, node, "a whole number");
}

double read_number(const RecipeSource& source, std::string_view key, const YamlNode& node) {
  const std::optional<double> value = node.as_double();
  if (!value || !std::isfinite(*value)) throw wrong_kind(source, key, node, "a number");
  return *value;
}

bool read_bool(const RecipeSource& source, std::string_view key, const YamlNode& node) {
  if (const std::optional<bool> value = node.as_bool()) return *value;
  throw wrong_kind(source, key, node, "true or false");
}

std::string read_text(const RecipeSource& source, std::string_view key, const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar) throw wrong_kind(source, key, node, "text");
  if (node.as_double() || node.as_bool()) {
    throw usage_error(
        fmt::format("{}: `{}` must be text, but is {}, which YAML reads as a {}", source.place(node), key,
                    describe(node), node.as_double() ? "number" : "boolean"),
        "put it in quotes");
  }
  return node.scalar;
}

std::vector<std::string> read_names(const RecipeSource& source, std::string_view key, const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kScalar) return {read_text(source, key, node)};
  if (node.kind != YamlNode::Kind::kSequence)
    throw wrong_kind(source, key, node, "a name or a list of names");
  std::vector<std::string> names;
  for (const YamlNode& item : node.items) names.push_back(read_text(source, key, item));
  return names;
}

YamlNode without_python_tags(RecipeSource& source, YamlNode node) {
  if (!node.tag.empty()) {
    source.portable = false;  // PyYAML's safe_load refuses every such tag
    const bool is_enumerator = node.tag.starts_with("!!python/object/apply:") &&
                               node.kind == YamlNode::Kind::kSequence && node.items.size() == 1 &&
                               node.items[0].kind == YamlNode::Kind::kScalar;
    const bool is_tuple = node.tag == "!!python/tuple" && node.kind == YamlNode::Kind::kSequence;
    if (is_enumerator) {
      YamlNode name = std::move(node.items[0]);
      node = std::move(name);
    } else if (!is_tuple) {
      throw usage_error(
          fmt::format("{}: the tag `{}` has no meaning in a recipe", source.place(node), node.tag),
          "write the plain value");
    }
  }
  for (YamlNode& item : node.items) item = without_python_tags(source, std::move(item));
  for (YamlEntry& entry : node.entries) entry.value = without_python_tags(source, std::move(entry.value));
  return node;
}

}  // namespace tersor
