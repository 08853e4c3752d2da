#include "tersor/datasets/npy_header.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "tersor/base/checked_math.h"
#include "tersor/base/error.h"
#include "tersor/base/text.h"

namespace tersor::datasets {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

// The one dict literal that NumPy writes: three keys, each once, in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& origin) : text_(text), origin_(origin) {}

  struct Fields {
    std::optional<std::string_view> descr;
    std::optional<bool> fortran_order;
    std::optional<Shape> shape;
  };

  Fields parse() {
    Fields fields;
    expect('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !fields.descr) {
        fields.descr = quoted();
      } else if (key == "fortran_order" && !fields.fortran_order) {
        fields.fortran_order = boolean();
      } else if (key == "shape" && !fields.shape) {
        fields.shape = tuple();
      } else {
        refuse();
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (at_ != text_.size() || !fields.descr || !fields.fortran_order || !fields.shape) refuse();
    return fields;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) refuse();
  }
  std::string_view quoted() {
    expect('\'');
    const size_t end = text_.find('\'', at_);
    if (end == text_.npos) refuse();
    const std::string_view value = text_.substr(at_, end - at_);
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    skip_blanks();
    for (const std::string_view word : {"True", "False"}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return word == "True";
    }
    refuse();
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!take(')')) {
      skip_blanks();
      uint64_t size = 0;
      const char* begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), size);
      if (error != std::errc() || shape.size() == 32) refuse();  // 32: NumPy's own limit
      at_ += static_cast<size_t>(end - begin);
      shape.push_back(size);
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }
  [[noreturn]] void refuse() const {
    throw input_error(fmt::format("{}: not a .npy header at byte {} of `{}`", origin_, at_, printable(text_)),
                      "the file is damaged; save the array again with numpy.save");
  }

  std::string_view text_;
  const std::string& origin_;
  size_t at_ = 0;
};

std::optional<DType> id_dtype(std::string_view descr) {
  if (descr == "<i2") return DType::kI16;
  if (descr == "<u2") return DType::kU16;
  if (descr == "<i4") return DType::kI32;
  if (descr == "<u4") return DType::kU32;
  if (descr == "<i8") return DType::kI64;
  return std::nullopt;
}

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

NpyHeader parse_npy_header(std::string_view start, uint64_t file_size, const std::string& origin) {
  constexpr size_t kVersionEnd = 8;
  if (start.size() < kVersionEnd || !start.starts_with(kMagic)) {
    throw input_error(fmt::format("{}: not a .npy file", origin),
                      "save the token ids with numpy.save(FILE, ids.astype(\"int32\"))");
  }
  const int major = start[6];
  const size_t length_size = major == 1 ? 2 : 4;
  if (major < 1 || major > 3)
    throw input_error(fmt::format("{}: version {} of the .npy format; 1 to 3 are known", origin, major),
                      "save the array again with numpy.save");
  const uint64_t begin = kVersionEnd + length_size;
  const uint64_t length = little_endian(start.substr(kVersionEnd, length_size));
  if (start.size() < begin || length > start.size() - begin)
    throw input_error(fmt::format("{}: the .npy header of {} bytes does not fit the file", origin, length),
                      "the file is cut short or damaged");
  const auto fields = HeaderParser(start.substr(begin, length), origin).parse();

  const std::optional<DType> dtype = id_dtype(*fields.descr);
  if (!dtype) {
    throw input_error(fmt::format("{}: elements of type `{}`; token ids are int32, int64, int16, uint16 or "
                                  "uint32, little-endian",
                                  origin, printable(*fields.descr)),
                      "save them with numpy.save(FILE, ids.astype(\"int32\"))");
  }
  const Shape& shape = *fields.shape;
  if (shape.empty() || shape.size() > 2)
    throw input_error(
        fmt::format("{}: an array of shape {}; token ids are [samples, length] or one stream [n]", origin,
                    to_string(shape)),
        "reshape the array before it is saved");
  if (*fields.fortran_order && shape.size() == 2)
    throw input_error(fmt::format("{}: the array is stored column by column", origin),
                      "save it with numpy.save(FILE, numpy.ascontiguousarray(ids))");
  const auto bytes = num_bytes(shape, *dtype);
  const auto end = bytes ? checked_add(begin + length, *bytes) : std::nullopt;
  if (!end || *end != file_size)
    throw input_error(
        fmt::format("{}: {} elements of {} after a header of {} bytes do not make a file of {} bytes", origin,
                    to_string(shape), dtype_name(*dtype), begin + length, file_size),
        "the file is cut short or damaged");
  return {*dtype, shape, begin + length};
}

}  // namespace tersor::datasets
