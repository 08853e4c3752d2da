// Building a Json value from parser events, strictly. For parsers of large files that take most events
// themselves and keep only a part as a tree.
#pragma once

#include <string>
#include <vector>

#include "tersor/io/json.h"

namespace tersor {

// A SAX handler (nlohmann's interface): every event returns true to go on. Throws Error(kInput) naming
// `origin` when the text nests deeper than 256 levels or repeats a key in one object.
class JsonTree {
 public:
  explicit JsonTree(std::string origin) : origin_(std::move(origin)) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(Json::number_integer_t value) { return put(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return put(value); }
  bool number_float(Json::number_float_t value, const std::string& text);
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(Json::binary_t& /*value*/) { return false; }  // JSON has none
  bool start_object(size_t /*size*/) { return open(Json::object()); }
  bool key(std::string& name);
  bool end_object() { return close(); }
  bool start_array(size_t /*size*/) { return open(Json::array()); }
  bool end_array() { return close(); }
  // Keeps the place of the error; the caller, who has the text, says it.
  bool parse_error(size_t position, const std::string& /*token*/, const Json::exception& /*error*/) {
    error_position_ = position;
    return false;
  }

  // True between the events of one value: an object or array is still open.
  bool inside() const { return !open_.empty(); }
  Json take() { return std::move(root_); }
  // Bytes read when the parser met the error.
  size_t error_position() const { return error_position_; }

 private:
  Json* place();
  bool put(Json value);
  bool open(Json container);
  bool close();

  std::string origin_;
  Json root_;
  // The open containers, outermost first. Only the innermost grows, so no pointer before it dangles.
  std::vector<Json*> open_;
  Json* member_ = nullptr;  // where the value of the last key goes
  size_t error_position_ = 0;
};

// What is wrong with a text that is not JSON, where a parser has read `read` bytes of it: "not valid JSON at
// line 3, column 14", "ends in the middle, …", "not UTF-8 at …".
std::string json_problem(std::string_view text, size_t read);

}  // namespace tersor
