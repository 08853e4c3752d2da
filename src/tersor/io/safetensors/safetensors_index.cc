#include "tersor/io/safetensors/safetensors_index.h"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/io/json_tree.h"
#include "tersor/io/python_numbers.h"

namespace tersor {
namespace {

constexpr const char* kDamaged = "the index is damaged or hand-edited; compare it with the one on the Hub";

// SAX handler: takes weight_map's entries itself, and leaves every other value to a tree.
class IndexParser {
 public:
  explicit IndexParser(const std::string& origin) : origin_(origin), tree_(origin) {}

  std::map<std::string, uint32_t, std::less<>> files;  // by name; numbered as they came
  std::vector<SafetensorsIndex::Entry> entries;
  Json metadata;
  bool has_weight_map = false;
  size_t error_position() const { return tree_.error_position(); }

  bool start_object(size_t size) {
    if (in_value()) {
      tree_.start_object(size);
    } else if (at_ == At::kFile) {
      at_ = At::kTop;
    } else if (at_ == At::kTop && key_ == "weight_map") {
      if (has_weight_map) fail("`weight_map` stands twice in it");
      has_weight_map = true;
      at_ = At::kWeightMap;
    } else if (at_ == At::kTop) {
      tree_.start_object(size);
    } else {
      unexpected();
    }
    return true;
  }
  bool end_object() {
    if (in_value()) {
      tree_.end_object();
      finish_value();
    } else {
      at_ = At::kTop;
    }
    return true;
  }
  bool start_array(size_t size) {
    if (!in_value()) expect_other_value();
    return tree_.start_array(size);
  }
  bool end_array() {
    tree_.end_array();
    finish_value();
    return true;
  }
  bool key(std::string& key) {
    if (in_value()) return tree_.key(key);
    key_ = std::move(key);
    return true;
  }
  bool string(std::string& value) {
    if (in_value() || at_ != At::kWeightMap) return scalar([&] { tree_.string(value); });
    auto found = files.find(value);
    if (found == files.end()) {
      check_file_name(value);
      found = files.emplace(std::move(value), static_cast<uint32_t>(files.size())).first;
    }
    entries.push_back({std::move(key_), found->second});
    return true;
  }
  bool null() {
    return scalar([&] { tree_.null(); });
  }
  bool boolean(bool value) {
    return scalar([&] { tree_.boolean(value); });
  }
  bool number_integer(int64_t value) {
    return scalar([&] { tree_.number_integer(value); });
  }
  bool number_unsigned(uint64_t value) {
    return scalar([&] { tree_.number_unsigned(value); });
  }
  bool number_float(double value, const std::string& text) {
    bool is_number = false;
    scalar([&] { is_number = tree_.number_float(value, text); });
    return is_number;
  }
  bool binary(Json::binary_t& /*value*/) { return false; }  // JSON has none
  bool parse_error(size_t position, const std::string& token, const Json::exception& error) {
    return tree_.parse_error(position, token, error);
  }

 private:
  enum class At { kFile, kTop, kWeightMap };

  bool in_value() const { return tree_.inside(); }

  template <typename Put>
  bool scalar(Put put) {
    if (!in_value()) expect_other_value();
    put();
    finish_value();
    return true;
  }

  // The value of a key beside weight_map is complete: `metadata` is kept, others are not ours.
  void finish_value() {
    if (in_value()) return;
    Json value = tree_.take();
    if (key_ == "metadata" && value.is_object()) metadata = std::move(value);
  }

  void expect_other_value() const {
    if (at_ != At::kTop || key_ == "weight_map") unexpected();
  }

  [[noreturn]] void unexpected() const {
    if (at_ == At::kFile) fail("it was expected to be a JSON object");
    if (at_ == At::kTop) fail("`weight_map` was expected to be an object of tensor names and file names");
    fail(fmt::format("`weight_map` gives tensor `{}` something that is no file name", printable(key_)));
  }

  void check_file_name(const std::string& file) const {
    if (file.find_first_of(std::string_view("/\\\0", 3)) != file.npos) {
      throw input_error(
          fmt::format(
              "{}: tensor `{}` is said to be in `{}`, which is a path, the name of a file beside the index "
              "was expected",
              origin_, printable(key_), printable(file)),
          "shards lie beside their index; an index from a source you do not trust may be an attack");
    }
    if (!file.ends_with(".safetensors") || file.size() > 255) {
      fail(fmt::format("tensor `{}` is said to be in `{}`, which is no .safetensors file", printable(key_),
                       printable(file)));
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw input_error(fmt::format("{}: {}", origin_, what), kDamaged);
  }

  const std::string& origin_;
  JsonTree tree_;
  At at_ = At::kFile;
  std::string key_;
};

}  // namespace

SafetensorsIndex parse_safetensors_index(std::string_view text, const std::string& origin) {
  std::optional<IndexParser> parser;
  const auto parse = [&] {
    parser.emplace(origin);
    return Json::sax_parse(text.begin(), text.end(), &*parser);
  };
  const bool has_nul = text.find('\0') != text.npos;  // the parser would take it for the end of the text
  bool parsed = parse() && !has_nul;
  // Python writes NaN and Infinity where `metadata` holds them, which are no JSON.
  const auto spelled = parsed || has_nul ? std::nullopt : spell_python_floats(text);
  if (spelled) {
    text = *spelled;
    parsed = parse();
  }
  if (!parsed) {
    const std::string problem = json_problem(text, parser->error_position());
    throw input_error(fmt::format("{}: {}", origin, problem),
                      problem.starts_with("ends") ? "the download is incomplete: run it again" : kDamaged);
  }
  if (!parser->has_weight_map) throw input_error(fmt::format("{}: it has no `weight_map`", origin), kDamaged);
  if (parser->entries.empty())
    throw input_error(fmt::format("{}: its `weight_map` is empty", origin), kDamaged);

  SafetensorsIndex index;
  index.metadata = std::move(parser->metadata);
  std::vector<uint32_t> sorted_number(parser->files.size());
  for (auto& [file, number] : parser->files) {
    sorted_number[number] = static_cast<uint32_t>(index.files.size());
    index.files.push_back(file);
  }
  index.entries = std::move(parser->entries);
  for (SafetensorsIndex::Entry& entry : index.entries) entry.file = sorted_number[entry.file];
  std::ranges::sort(index.entries, {}, &SafetensorsIndex::Entry::tensor);
  const auto twice = std::ranges::adjacent_find(index.entries, {}, &SafetensorsIndex::Entry::tensor);
  if (twice != index.entries.end())
    throw input_error(
        fmt::format("{}: tensor `{}` stands twice in `weight_map`", origin, printable(twice->tensor)),
        kDamaged);
  return index;
}

}  // namespace tersor
