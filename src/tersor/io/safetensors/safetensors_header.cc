#include "tersor/io/safetensors/safetensors_header.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <tuple>
#include <unordered_set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tersor/base/checked_math.h"
#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/base/utf8.h"
#include "tersor/io/json.h"

namespace tersor {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr uint64_t kLengthBytes = 8;
// More sizes than any tensor library allows (PyTorch: 64); keeps a hostile header from filling memory.
constexpr size_t kMaxRank = 64;
constexpr const char* kDamaged = "the file is damaged or was written by a faulty tool; download it again";

// SAX handler of the header's JSON. `begin` and `end` of its tensors are still relative to the data.
class HeaderParser {
 public:
  explicit HeaderParser(const std::string& origin) : origin_(origin) {}

  std::vector<TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
  size_t error_position = 0;

  bool start_object(size_t /*size*/) {
    if (at_ == At::kFile) {
      at_ = At::kTop;
    } else if (at_ == At::kTop && name_ == kMetadataKey) {
      if (has_metadata_) fail("`__metadata__` stands twice in the header");
      has_metadata_ = true;
      at_ = At::kMetadata;
    } else if (at_ == At::kTop) {
      at_ = At::kEntry;
      tensors.emplace_back().name = std::move(name_);
      has_.fill(false);
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(std::string& key) {
    if (at_ == At::kTop || at_ == At::kMetadata) {
      name_ = std::move(key);
      return true;
    }
    for (size_t i = 0; i < kFields.size(); ++i) {
      if (key != kFields[i]) continue;
      if (has_[i]) fail_tensor(fmt::format("`{}` stands twice in its entry", key));
      has_[i] = true;
      field_ = static_cast<Field>(i);
      return true;
    }
    fail_tensor(fmt::format("its entry has the unknown key `{}`", printable(key)));
  }

  bool end_object() {
    if (at_ == At::kEntry) {
      for (size_t i = 0; i < kFields.size(); ++i) {
        if (!has_[i]) fail_tensor(fmt::format("its entry has no `{}`", kFields[i]));
      }
    }
    at_ = At::kTop;
    return true;
  }

  bool start_array(size_t /*size*/) {
    if (at_ != At::kEntry || field_ == kDType) unexpected("an array");
    at_ = field_ == kShape ? At::kShape : At::kOffsets;
    offsets_ = 0;
    return true;
  }

  bool end_array() {
    if (at_ == At::kOffsets && offsets_ != 2)
      fail_tensor("`data_offsets` was expected to hold two numbers, [begin, end]");
    at_ = At::kEntry;
    return true;
  }

  bool number_unsigned(uint64_t value) {
    if (at_ == At::kShape) {
      Shape& shape = tensors.back().shape;
      if (shape.size() == kMaxRank) fail_tensor(fmt::format("its shape has more than {} sizes", kMaxRank));
      shape.push_back(value);
    } else if (at_ == At::kOffsets && offsets_ < 2) {
      (offsets_++ == 0 ? tensors.back().begin : tensors.back().end) = value;
    } else {
      unexpected(fmt::format("the number {}", value));
    }
    return true;
  }

  bool string(std::string& value) {
    if (at_ == At::kMetadata) {
      if (!metadata.try_emplace(name_, std::move(value)).second)
        fail(fmt::format("the key `{}` stands twice in `__metadata__`", printable(name_)));
    } else if (at_ == At::kEntry && field_ == kDType) {
      const std::optional<DType> dtype = dtype_from_name(value);
      if (!dtype) {
        fail_tensor(fmt::format("its dtype `{}` is not one this program reads", printable(value)),
                    "convert the tensor to BF16, F16 or F32");
      }
      tensors.back().dtype = *dtype;
    } else {
      unexpected(fmt::format("the text \"{}\"", printable(value)));
    }
    return true;
  }

  bool null() { unexpected("null"); }
  bool boolean(bool value) { unexpected(value ? "true" : "false"); }
  bool number_integer(int64_t value) { unexpected(fmt::format("the number {}", value)); }
  bool number_float(double /*value*/, const std::string& text) {
    unexpected(fmt::format("the number {}", printable(text)));
  }
  bool binary(Json::binary_t& /*value*/) { return false; }  // JSON has none
  bool parse_error(size_t position, const std::string& token, const Json::exception& error) {
    constexpr int kNumberTooLarge = 406;
    if (error.id == kNumberTooLarge) unexpected(fmt::format("the number {}", printable(token)));
    error_position = position;
    return false;
  }

 private:
  enum class At { kFile, kTop, kEntry, kShape, kOffsets, kMetadata };
  enum Field : uint8_t { kDType, kShape, kOffsets };
  static constexpr std::array<std::string_view, 3> kFields = {"dtype", "shape", "data_offsets"};

  [[noreturn]] void fail(const std::string& what, const char* help = kDamaged) const {
    throw input_error(fmt::format("{}: {}", origin_, what), help);
  }
  [[noreturn]] void fail_tensor(const std::string& what, const char* help = kDamaged) const {
    fail(fmt::format("tensor `{}`: {}", printable(tensors.back().name), what), help);
  }
  [[noreturn]] void unexpected(const std::string& came) const {
    switch (at_) {
      case At::kFile:
        fail(fmt::format("the safetensors header was expected to be a JSON object, it is {}", came));
      case At::kTop:
        fail(fmt::format("the header's entry `{}` was expected to be an object, it is {}", printable(name_),
                         came));
      case At::kMetadata:
        fail(fmt::format("`__metadata__` holds text only, but its `{}` is {}", printable(name_), came));
      default:
        fail_tensor(fmt::format("`{}` was expected to be {}, but {} stands there", kFields[field_],
                                field_ == kDType   ? "a name such as \"BF16\""
                                : field_ == kShape ? "an array of sizes"
                                                   : "[begin, end]",
                                came));
    }
  }

  const std::string& origin_;
  At at_ = At::kFile;
  Field field_ = kDType;
  std::array<bool, 3> has_{};
  int offsets_ = 0;
  bool has_metadata_ = false;
  std::string name_;
};

// Refuses a tensor whose byte range is not what its shape and dtype need.
void check_range(const TensorInfo& t, const std::string& origin) {
  if (t.end < t.begin) {
    throw input_error(fmt::format("{}: tensor `{}`: its data_offsets [{}, {}] end before they begin", origin,
                                  printable(t.name), t.begin, t.end),
                      kDamaged);
  }
  const std::optional<uint64_t> needed = num_bytes(t.shape, t.dtype);
  if (needed == t.bytes()) return;
  throw input_error(
      fmt::format("{}: tensor `{}`: {} of shape {} needs {} bytes, but its data_offsets [{}, {}] hold {}",
                  origin, printable(t.name), dtype_name(t.dtype), to_string(t.shape),
                  needed ? std::to_string(*needed) : "more than 2^64", t.begin, t.end, t.bytes()),
      kDamaged);
}

// Refuses tensors (in order of begin) that overlap or leave bytes to none; returns where the last one ends.
uint64_t check_contiguous(const std::vector<TensorInfo>& tensors, const std::string& origin) {
  uint64_t end = 0;
  const TensorInfo* before = nullptr;
  for (const TensorInfo& t : tensors) {
    if (t.begin != end) {
      const std::string neighbour = before
                                        ? fmt::format("tensor `{}` ends at {}", printable(before->name), end)
                                        : "the data begins at 0";
      throw input_error(fmt::format("{}: tensor `{}` begins at byte {} of the data, but {}: {}", origin,
                                    printable(t.name), t.begin, neighbour,
                                    t.begin < end ? "they overlap" : "the bytes between belong to no tensor"),
                        kDamaged);
    }
    end = t.end;
    before = &t;
  }
  return end;
}

// A name that several of `tensors` have, or none.
const std::string* repeated_name(const std::vector<TensorInfo>& tensors) {
  std::unordered_set<std::string_view> names(tensors.size());
  for (const TensorInfo& t : tensors) {
    if (!names.insert(t.name).second) return &t.name;
  }
  return nullptr;
}

// The header says more or fewer bytes than the file has.
void check_file_size(uint64_t data_begin, uint64_t data_bytes, uint64_t file_size,
                     const std::string& origin) {
  const std::optional<uint64_t> promised = checked_add(data_begin, data_bytes);
  if (promised == file_size) return;
  if (!promised || *promised > file_size) {
    throw input_error(fmt::format("{} has {} bytes, its header promises {}", origin, file_size,
                                  promised ? std::to_string(*promised) : "more than 2^64"),
                      "the file is cut short: download it again");
  }
  throw input_error(
      fmt::format("{} has {} bytes, its header accounts for {}: {} at the end belong to no tensor", origin,
                  file_size, *promised, file_size - *promised),
      kDamaged);
}

// What a file that cannot begin with a header length may be instead.
std::string other_content(const ByteSource& source) {
  std::array<char, 64> start{};
  const size_t length = std::min<uint64_t>(source.size(), start.size());
  source.read_at(0, std::as_writable_bytes(std::span(start).first(length)));
  const std::string_view text(start.data(), length);
  if (text.starts_with("version https://git-lfs"))
    return "it is a Git LFS pointer, not the weights: run `git lfs pull`";
  if (text.starts_with("<")) return "it looks like a web page: download it again";
  return "it is not a safetensors file, or it is damaged: download it again";
}

// `text` as a JSON string. Names are nearly always plain, and then copied as they are.
void append_json_string(std::string& out, const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
  } else {
    out += Json(text).dump();
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_begin, uint64_t file_size,
                                           const std::string& origin) {
  HeaderParser parser(origin);
  // The parser takes a byte order mark, and a NUL for the end of its input; the format has neither.
  const size_t nul = json.find('\0');
  if (!json.starts_with('{')) {
    throw input_error(fmt::format("{}: the safetensors header {}, a JSON object was expected", origin,
                                  json.empty() ? "is empty" : "begins otherwise than with `{`"),
                      kDamaged);
  }
  if (nul != json.npos || !Json::sax_parse(json.begin(), json.end(), &parser)) {
    const size_t place = nul != json.npos ? nul + 1 : parser.error_position;
    const size_t valid = valid_utf8_prefix(json);
    throw input_error(
        valid < std::min(place, json.size())
            ? fmt::format("{}: the safetensors header is not UTF-8 at its byte {}", origin, valid)
            : fmt::format("{}: the safetensors header is not valid JSON at its byte {}", origin, place),
        kDamaged);
  }
  SafetensorsHeader header;
  header.tensors = std::move(parser.tensors);
  header.metadata = std::move(parser.metadata);
  header.data_begin = data_begin;

  for (const TensorInfo& t : header.tensors) check_range(t, origin);
  if (const std::string* name = repeated_name(header.tensors)) {
    throw input_error(fmt::format("{}: two tensors are named `{}`", origin, printable(*name)), kDamaged);
  }
  // By end too: an empty tensor begins where the next one does.
  auto in_order = [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  };
  if (!std::ranges::is_sorted(header.tensors, in_order)) std::ranges::sort(header.tensors, in_order);
  check_file_size(data_begin, check_contiguous(header.tensors, origin), file_size, origin);
  for (TensorInfo& t : header.tensors) {  // no overflow: all ends are within the file
    t.begin += data_begin;
    t.end += data_begin;
  }
  return header;
}

SafetensorsHeader read_safetensors_header(const ByteSource& source) {
  const uint64_t size = source.size();
  if (size == 0) throw input_error(fmt::format("{} is empty", source.name()), "download it again");
  if (size < kLengthBytes) {
    throw input_error(
        fmt::format("{} has {} bytes, a safetensors file has at least {}", source.name(), size, kLengthBytes),
        other_content(source));
  }
  std::array<std::byte, kLengthBytes> raw{};
  source.read_at(0, raw);
  uint64_t length = 0;
  for (size_t i = 0; i < raw.size(); ++i) length |= std::to_integer<uint64_t>(raw[i]) << (8 * i);
  if (length > kMaxSafetensorsHeader) {
    throw input_error(fmt::format("{} begins with a header length of {} bytes, at most {} are allowed",
                                  source.name(), length, kMaxSafetensorsHeader),
                      other_content(source));
  }
  if (length > size - kLengthBytes) {
    throw input_error(
        fmt::format("{} has {} bytes, its header alone needs {}", source.name(), size, kLengthBytes + length),
        "the file is cut short: download it again");
  }
  std::string json(length, '\0');
  source.read_at(kLengthBytes, std::as_writable_bytes(std::span(json)));
  return parse_safetensors_header(json, kLengthBytes + length, size, source.name());
}

std::string layout_safetensors(std::vector<TensorInfo>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  if (const std::string* name = repeated_name(tensors))
    throw runtime_error(
        fmt::format("cannot write two tensors of the name `{}` into one file", printable(*name)));

  std::string json = "{";
  size_t letters = 64;
  for (const TensorInfo& t : tensors) letters += t.name.size() + 96;
  json.reserve(letters);
  if (!metadata.empty()) {
    json += fmt::format("\"{}\":{{", kMetadataKey);
    for (const auto& [key, value] : metadata) {
      append_json_string(json, key);
      json += ':';
      append_json_string(json, value);
      json += ',';
    }
    json.back() = '}';
    json += ',';
  }
  uint64_t at = 0;
  for (TensorInfo& t : tensors) {
    if (t.name == kMetadataKey)
      throw runtime_error(
          fmt::format("a tensor cannot be named `{}`: safetensors reserves it", kMetadataKey));
    const std::optional<uint64_t> bytes = num_bytes(t.shape, t.dtype);
    const std::optional<uint64_t> end = bytes ? checked_add(at, *bytes) : std::nullopt;
    if (!end)
      throw runtime_error(
          fmt::format("tensor `{}`: {} has too many bytes", printable(t.name), to_string(t.shape)));
    append_json_string(json, t.name);
    fmt::format_to(std::back_inserter(json), ":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}},",
                   dtype_name(t.dtype), fmt::join(t.shape, ","), at, *end);
    t.begin = at;
    t.end = at = *end;
  }
  if (json.size() > 1) json.pop_back();  // the last comma
  json += '}';
  json.resize(round_up(json.size(), 8), ' ');
  if (json.size() > kMaxSafetensorsHeader) {
    throw runtime_error(fmt::format("the header of {} tensors would have {} bytes, a reader takes at most {}",
                                    tensors.size(), json.size(), kMaxSafetensorsHeader),
                        "write smaller shards");
  }
  const uint64_t data_begin = kLengthBytes + json.size();
  for (TensorInfo& t : tensors) {
    t.begin += data_begin;
    t.end += data_begin;
  }
  std::string out(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) out[i] = static_cast<char>(json.size() >> (8 * i) & 0xFF);
  return out + json;
}

}  // namespace tersor
