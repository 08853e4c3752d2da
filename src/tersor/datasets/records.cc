#include "tersor/datasets/records.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/datasets/text_files.h"
#include "tersor/io/file.h"
#include "tersor/io/json_tree.h"
#include "tersor/io/python_numbers.h"
#include "tersor/tokenizer/tokenizer.h"

namespace tersor::datasets {
namespace {

namespace fs = std::filesystem;

const OrderedJson& column_of(const OrderedJson& record, const std::string& text_column, std::string& name,
                             const std::string& place) {
  name = text_column;
  if (record.contains(name)) return record[name];
  if (text_column == "text") {
    for (const char* other : kOtherColumns) {
      name = other;
      if (record.contains(name)) return record[name];
    }
  }
  std::vector<std::string> names;
  for (const auto& [key, value] : record.items()) names.push_back(printable(key));
  throw input_error(
      fmt::format("{}: there is no column `{}`; the record has {}", place, printable(text_column),
                  names.empty() ? "no columns" : quoted_list(names, "and")),
      "name the column with the text, or with a list of chat messages: `--text-column NAME`");
}

// Leaves out what `mask`, a list of as many numbers, marks as padding.
void leave_out_padding(TokenIds& tokens, const OrderedJson& mask, const std::string& place) {
  if (!mask.is_array() || mask.size() != tokens.ids.size()) {
    throw input_error(fmt::format("{}: `attention_mask` is no list of as many numbers as `input_ids`", place),
                      "the mask says for each id whether it is padding");
  }
  size_t kept = 0;
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    if (mask[i] != 0) tokens.ids[kept++] = tokens.ids[i];
  }
  tokens.ids.resize(kept);
}

// Of a file that holds one list, which is read whole.
constexpr uint64_t kMaxListBytes = uint64_t{1} << 30;

// ShareGPT's spelling of a message in Transformers'.
OrderedJson chat_message(const OrderedJson& message) {
  if (!message.contains("from") || !message.contains("value")) return message;
  std::string role = message["from"].is_string() ? message["from"].get<std::string>() : "";
  if (role == "human") role = "user";
  if (role == "gpt" || role == "bot") role = "assistant";
  return {{"role", role}, {"content", message["value"]}};
}

TokenIds token_ids(const OrderedJson& list, const std::string& name, const std::string& place) {
  TokenIds out;
  out.ids.reserve(list.size());
  for (const OrderedJson& id : list) {
    if (!id.is_number_integer()) {
      throw input_error(fmt::format("{}: `{}`[{}] is no whole number, as the ids before it are", place,
                                    printable(name), out.ids.size()),
                        "a list is either chat messages or token ids");
    }
    // Above 2^63: no id of any model; stays out of range when the vocabulary is looked at.
    out.ids.push_back(id.is_number_unsigned() && id.get<uint64_t>() > INT64_MAX ? INT64_MAX
                                                                                : id.get<int64_t>());
  }
  return out;
}

// A file of records, with the place of each: a line, or an element of the one list in it.
struct RecordFile {
  struct Line {
    uint64_t begin = 0, end = 0;
    uint64_t number = 0;
  };
  fs::path path;
  File file;
  std::vector<Line> lines;
  std::shared_ptr<const OrderedJson> list;  // instead of lines

  size_t count() const { return list ? list->size() : lines.size(); }
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Finds the lines that hold something; `first` gets the first byte that is no blank.
std::vector<RecordFile::Line> index_lines(const File& file, char& first) {
  constexpr size_t kBlock = size_t{4} << 20;
  const uint64_t size = file.size();
  std::vector<RecordFile::Line> lines;
  std::string block;
  RecordFile::Line line{.number = 1};
  bool holds_something = false;
  const auto finish = [&](uint64_t end) {
    line.end = end;
    if (holds_something) lines.push_back(line);
    line = {.begin = end + 1, .number = line.number + 1};
    holds_something = false;
  };
  first = '\0';
  for (uint64_t at = 0; at < size; at += block.size()) {
    block.resize(std::min<uint64_t>(kBlock, size - at));
    file.read_at(at, std::as_writable_bytes(std::span(block)));
    for (size_t i = 0; i < block.size();) {
      if (!holds_something) {
        // Blanks before the record; then memchr finds the end of the line.
        if (block[i] == '\n')
          finish(at + i);
        else if (!is_blank(block[i])) {
          holds_something = true;
          if (first == '\0') first = block[i];
          continue;
        }
        ++i;
        continue;
      }
      const void* end = std::memchr(block.data() + i, '\n', block.size() - i);
      if (end == nullptr) break;
      i = static_cast<size_t>(static_cast<const char*>(end) - block.data());
      finish(at + i);
      ++i;
    }
  }
  finish(size);
  return lines;
}

RecordFile open_records(const fs::path& path) {
  RecordFile records{.path = path, .file = File(path, File::Open::kRead), .lines = {}, .list = nullptr};
  char first = '\0';
  records.lines = index_lines(records.file, first);
  // A list over several lines is a file of one JSON value; JSON lines are objects.
  if (first == '[') {
    records.lines.clear();
    const std::string text = read_file(path, kMaxListBytes);
    require_utf8(text, 0, path.string());
    if (!parse_json(text, path.string()).is_array())  // which also finds what is no JSON, or twice there
      throw input_error(fmt::format("{}: a list of records was expected", path.string()),
                        "give one JSON object a line, or one list of objects");
    const std::optional<std::string> spelled = spell_python_floats(text);
    auto list = std::make_shared<OrderedJson>(OrderedJson::parse(spelled ? *spelled : text));
    records.list = std::move(list);
  }
  return records;
}

}  // namespace

Document record_document(const OrderedJson& record, const std::string& text_column,
                         const std::string& place) {
  if (!record.is_object()) {
    throw input_error(fmt::format("{}: expected a JSON object, found {}", place, json_kind(record)),
                      "each record is an object such as {\"text\": \"…\"} or {\"messages\": […]}");
  }
  std::string name;
  const OrderedJson& value = column_of(record, text_column, name, place);
  if (value.is_string()) return {Text{value.get<std::string>()}, place};
  if (value.is_array() && value.empty()) return {Text{}, place};
  if (value.is_array() && value.front().is_number()) {
    TokenIds tokens = token_ids(value, name, place);
    if (const auto mask = record.find("attention_mask"); mask != record.end() && name != "attention_mask")
      leave_out_padding(tokens, *mask, place);
    return {std::move(tokens), place};
  }
  if (value.is_array() && value.front().is_object()) {
    OrderedJson messages = OrderedJson::array();
    for (const OrderedJson& message : value) messages.push_back(chat_message(message));
    return {Messages{messages.dump()}, place};
  }
  if (value.is_null()) return {Text{}, place};
  throw input_error(
      fmt::format("{}: the column `{}` holds {}; expected text, a list of chat messages or of token ids",
                  place, printable(name),
                  value.is_array() ? fmt::format("a list of {}s", value.front().type_name())
                                   : std::string(json_kind(value))),
      "name another column: `--text-column NAME`");
}

Document line_document(std::string_view line, uint64_t offset, const std::string& text_column,
                       const std::string& place) {
  if (offset == 0 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3), offset = 3;
  require_utf8(line, offset, place);
  const std::optional<std::string> spelled = spell_python_floats(line);
  const std::string_view text = spelled ? std::string_view(*spelled) : line;
  JsonTree tree(place);
  const size_t nul = text.find('\0');  // the parser takes it for the end of its input
  if (nul != text.npos || !Json::sax_parse(text.begin(), text.end(), &tree)) {
    const size_t column = nul != text.npos ? nul + 1 : tree.error_position();
    throw input_error(fmt::format("{}: not valid JSON at column {}", place, std::max<size_t>(column, 1)),
                      "in a file of JSON lines every line is one whole object; the file may be cut short");
  }
  return record_document(OrderedJson::parse(text), text_column, place);
}

Documents json_documents(const std::vector<fs::path>& files, const std::string& text_column) {
  struct State {
    std::vector<RecordFile> files;
    std::vector<size_t> first;  // document of each file
    std::string text_column;
  };
  const auto state = std::make_shared<State>();
  state->text_column = text_column;
  size_t count = 0;
  for (const fs::path& path : files) {
    state->files.push_back(open_records(path));
    state->first.push_back(count);
    count += state->files.back().count();
  }
  return {count, [state](size_t i) {
            const auto after = std::ranges::upper_bound(state->first, i);
            const size_t f = static_cast<size_t>(after - state->first.begin()) - 1;
            const RecordFile& records = state->files[f];
            const size_t local = i - state->first[f];
            if (records.list) {
              return record_document((*records.list)[local], state->text_column,
                                     fmt::format("{}, record {}", records.path.string(), local));
            }
            const RecordFile::Line& at = records.lines[local];
            const std::string place = fmt::format("{}:{}", records.path.string(), at.number);
            if (at.end - at.begin > Tokenizer::kMaxTextBytes)
              throw input_error(
                  fmt::format("{}: a line of {}; at most {} are read", place, format_bytes(at.end - at.begin),
                              format_bytes(Tokenizer::kMaxTextBytes)),
                  "give one JSON object a line");
            std::string line(at.end - at.begin, '\0');
            records.file.read_at(at.begin, std::as_writable_bytes(std::span(line)));
            return line_document(line, at.begin, state->text_column, place);
          }};
}

}  // namespace tersor::datasets
