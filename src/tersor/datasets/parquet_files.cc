// Parquet through Apache Arrow: the one file that includes it. Where it is not installed no_parquet.cc stands
// in (src/tersor/CMakeLists.txt).
#include "tersor/datasets/parquet_files.h"

#include <algorithm>
#include <memory>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/datasets/records.h"
#include "tersor/io/json.h"

namespace tersor::datasets {
namespace {

namespace fs = std::filesystem;

void require_ok(const arrow::Status& status, const fs::path& path) {
  if (!status.ok())
    throw input_error(fmt::format("{}: {}", path.string(), printable(status.message())),
                      "the file is damaged or cut short; download it again");
}

// Whether a column of this type can hold text, messages or token ids.
bool is_text_type(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
      return true;
    case arrow::Type::DICTIONARY:
      return is_text_type(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return false;
  }
}

// One cell as JSON; `null` for what stands in no message (dates, decimals, maps).
OrderedJson cell(const arrow::Array& array, int64_t i) {
  if (array.IsNull(i)) return nullptr;
  switch (array.type_id()) {
    case arrow::Type::STRING:
      return std::string(static_cast<const arrow::StringArray&>(array).GetView(i));
    case arrow::Type::LARGE_STRING:
      return std::string(static_cast<const arrow::LargeStringArray&>(array).GetView(i));
    case arrow::Type::INT16:
      return static_cast<const arrow::Int16Array&>(array).Value(i);
    case arrow::Type::INT32:
      return static_cast<const arrow::Int32Array&>(array).Value(i);
    case arrow::Type::INT64:
      return static_cast<const arrow::Int64Array&>(array).Value(i);
    case arrow::Type::UINT16:
      return static_cast<const arrow::UInt16Array&>(array).Value(i);
    case arrow::Type::UINT32:
      return static_cast<const arrow::UInt32Array&>(array).Value(i);
    case arrow::Type::UINT64:
      return static_cast<const arrow::UInt64Array&>(array).Value(i);
    case arrow::Type::DOUBLE:
      return static_cast<const arrow::DoubleArray&>(array).Value(i);
    case arrow::Type::FLOAT:
      return static_cast<const arrow::FloatArray&>(array).Value(i);
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(array).Value(i);
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      OrderedJson out = OrderedJson::array();
      for (int64_t j = list.value_offset(i); j < list.value_offset(i + 1); ++j)
        out.push_back(cell(*list.values(), j));
      return out;
    }
    case arrow::Type::LARGE_LIST: {
      const auto& list = static_cast<const arrow::LargeListArray&>(array);
      OrderedJson out = OrderedJson::array();
      for (int64_t j = list.value_offset(i); j < list.value_offset(i + 1); ++j)
        out.push_back(cell(*list.values(), j));
      return out;
    }
    case arrow::Type::STRUCT: {
      const auto& fields = static_cast<const arrow::StructArray&>(array);
      OrderedJson out = OrderedJson::object();
      for (int f = 0; f < fields.num_fields(); ++f) {
        // A key that a message does not have is null in the column: not the same to a template.
        if (!fields.field(f)->IsNull(i)) out[fields.type()->field(f)->name()] = cell(*fields.field(f), i);
      }
      return out;
    }
    case arrow::Type::DICTIONARY: {
      const auto& indexed = static_cast<const arrow::DictionaryArray&>(array);
      return cell(*indexed.dictionary(), indexed.GetValueIndex(i));
    }
    default:
      return nullptr;
  }
}

constexpr const char* kMask = "attention_mask";

class ParquetFile {
 public:
  explicit ParquetFile(const fs::path& path) : path_(path) {
    auto file = arrow::io::ReadableFile::Open(path.string());
    require_ok(file.status(), path);
    parquet::arrow::FileReaderBuilder builder;
    require_ok(builder.Open(*file), path);
    require_ok(builder.Build(&reader_), path);
    const auto metadata = reader_->parquet_reader()->metadata();
    for (int g = 0; g < metadata->num_row_groups(); ++g) {
      group_begin_.push_back(rows_);
      rows_ += static_cast<uint64_t>(std::max<int64_t>(0, metadata->RowGroup(g)->num_rows()));
    }
    for (int c = 0; c < metadata->num_columns(); ++c) {
      const std::string leaf = metadata->schema()->Column(c)->path()->ToDotVector().front();
      if (names_.empty() || names_.back() != leaf) names_.push_back(leaf);
      top_of_leaf_.push_back(leaf);
    }
  }

  uint64_t rows() const { return rows_; }

  Document read(uint64_t row, const std::string& text_column) {
    const std::string place = fmt::format("{}, row {}", path_.string(), row);
    // The record with every name, so that a missing column is reported as in JSON; only one is read.
    OrderedJson record = OrderedJson::object();
    const std::string column = column_to_read(text_column);
    if (column.empty()) {
      for (const std::string& name : names_) record[name] = nullptr;
      return record_document(record, text_column, place);
    }
    const auto after = std::ranges::upper_bound(group_begin_, row);
    const int group = static_cast<int>(after - group_begin_.begin()) - 1;
    load(group, column);
    const auto local = static_cast<int64_t>(row - group_begin_[static_cast<size_t>(group)]);
    for (const std::string& name : {column, std::string(kMask)}) {
      const auto values = table_->GetColumnByName(name);
      if (values != nullptr) record[name] = cell_of(*values, local, place);
    }
    return record_document(record, column, place);
  }

 private:
  static OrderedJson cell_of(const arrow::ChunkedArray& values, int64_t row, const std::string& place) {
    for (const auto& chunk : values.chunks()) {
      if (row < chunk->length()) return cell(*chunk, row);
      row -= chunk->length();
    }
    throw input_error(fmt::format("{}: the row group has fewer rows than its header says", place),
                      "the file is damaged; download it again");
  }

  std::string column_to_read(const std::string& text_column) const {
    const auto has = [&](const std::string& name) { return std::ranges::find(names_, name) != names_.end(); };
    if (has(text_column)) return text_column;
    if (text_column == "text") {
      for (const char* other : kOtherColumns) {
        if (has(other)) return other;
      }
    }
    return "";
  }

  void load(int group, const std::string& column) {
    if (group_ == group) return;
    std::vector<int> leaves;
    for (size_t c = 0; c < top_of_leaf_.size(); ++c) {
      const std::string& top = top_of_leaf_[c];
      if (top == column || (top == kMask && column == "input_ids")) leaves.push_back(static_cast<int>(c));
    }
    require_ok(reader_->ReadRowGroup(group, leaves, &table_), path_);
    require_ok(table_->ValidateFull(), path_);  // offsets inside their buffers, valid UTF-8
    const auto values = table_->GetColumnByName(column);
    if (values == nullptr || !is_text_type(*values->type()))
      throw input_error(
          fmt::format("{}: the column `{}` is {}; expected text, a list of chat messages or of token ids",
                      path_.string(), printable(column),
                      values == nullptr ? "not there" : values->type()->ToString()),
          "name another column: `--text-column NAME`");
    group_ = group;
  }

  fs::path path_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::vector<uint64_t> group_begin_;
  std::vector<std::string> names_, top_of_leaf_;
  uint64_t rows_ = 0;
  std::shared_ptr<arrow::Table> table_;
  int group_ = -1;
};

}  // namespace

Documents parquet_documents(const std::vector<fs::path>& files, const std::string& text_column) {
  struct State {
    std::vector<ParquetFile> files;
    std::vector<size_t> first;  // document of each file
  };
  const auto state = std::make_shared<State>();
  size_t count = 0;
  try {
    for (const fs::path& path : files) {
      state->files.emplace_back(path);
      state->first.push_back(count);
      count += state->files.back().rows();
    }
  } catch (const parquet::ParquetException& e) {
    throw input_error(fmt::format("{}: {}", files[state->first.size()].string(), printable(e.what())),
                      "the file is damaged or cut short; download it again");
  }
  return {count, [state, text_column](size_t i) {
            const auto after = std::ranges::upper_bound(state->first, i);
            const size_t f = static_cast<size_t>(after - state->first.begin()) - 1;
            return state->files[f].read(i - state->first[f], text_column);
          }};
}

}  // namespace tersor::datasets
