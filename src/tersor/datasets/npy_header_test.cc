#include "tersor/datasets/npy_header.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor::datasets {
namespace {

using testing::HasSubstr;

std::string npy(const std::string& dict, int major = 1) {
  std::string out = "\x93NUMPY";
  out += static_cast<char>(major);
  out += '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) out += static_cast<char>(dict.size() >> (8 * i) & 0xFF);
  return out + dict;
}

std::string dict_of(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }   \n";
}

std::string refusal_of(const std::string& start, uint64_t file_size) {
  try {
    parse_npy_header(start, file_size, "ids.npy");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_NE(e.help(), "");
    return e.what();
  }
  ADD_FAILURE() << "taken: " << start;
  return "";
}

TEST(NpyHeader, ReadsWhatNumpyWrites) {
  for (const int major : {1, 2, 3}) {
    const std::string start = npy(dict_of("<i4", "(3, 5)"), major);
    const NpyHeader header = parse_npy_header(start, start.size() + 60, "ids.npy");
    EXPECT_EQ(header.dtype, DType::kI32);
    EXPECT_EQ(header.shape, (Shape{3, 5}));
    EXPECT_EQ(header.data_begin, start.size());
  }
  const std::string stream = npy("{'shape': (7,), 'fortran_order': True, 'descr': '<u2'}");
  EXPECT_EQ(parse_npy_header(stream, stream.size() + 14, "ids.npy").dtype, DType::kU16);
  const std::string none = npy(dict_of("<i8", "(0, 2048)"));
  EXPECT_EQ(parse_npy_header(none, none.size(), "ids.npy").shape, (Shape{0, 2048}));
}

TEST(NpyHeader, RefusesHostileHeaders) {
  const struct {
    std::string start;
    uint64_t data;
    const char* message;
  } cases[] = {
      {"", 0, "not a .npy file"},
      {"\x93NUMPY", 0, "not a .npy file"},
      {std::string("\x93NUMPY\x01\0", 8), 0, "does not fit the file"},
      {std::string("\x93NUMPY\x01\0\xFF\xFF{", 11), 0, "does not fit the file"},
      {std::string("\x93NUMPY\x02\0\xFF\xFF\xFF\xFF{", 13), 0, "does not fit the file"},
      {npy(dict_of("<i4", "(1,)"), 9), 4, "version 9"},
      {npy(dict_of("<i4", "(1,)"), 200), 4, "version -56"},
      {npy(dict_of("<f4", "(1,)")), 4, "elements of type `<f4`"},
      {npy(dict_of(">i4", "(1,)")), 4, "elements of type `>i4`"},
      {npy(dict_of("|O", "(1,)")), 4, "elements of type `|O`"},
      {npy(dict_of("<i4", "()")), 4, "an array of shape []"},
      {npy(dict_of("<i4", "(1, 1, 1)")), 4, "an array of shape [1, 1, 1]"},
      {npy(dict_of("<i4", "(2, 2)", "True")), 16, "stored column by column"},
      {npy(dict_of("<i4", "(2, 2)")), 15, "do not make a file of"},
      {npy(dict_of("<i4", "(2, 2)")), 17, "do not make a file of"},
      {npy(dict_of("<i8", "(4294967296, 4294967296)")), 0, "do not make a file of"},
      {npy(dict_of("<i8", "(2305843009213693952,)")), 0, "do not make a file of"},
      {npy(dict_of("<i4", "(99999999999999999999,)")), 0, "not a .npy header"},
      {npy(dict_of("<i4", "(-1,)")), 0, "not a .npy header"},
      {npy(dict_of("<i4", "(1")), 4, "not a .npy header"},
      {npy(dict_of("<i4", "(1 1)")), 4, "not a .npy header"},
      {npy(dict_of("<i4", "(1,)", "Maybe")), 4, "not a .npy header"},
      {npy("{'descr': '<i4', 'descr': '<i4', 'shape': (1,), }"), 4, "not a .npy header"},
      {npy("{'descr': '<i4', 'shape': (1,), }"), 4, "not a .npy header"},
      {npy("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}"), 4, "not a .npy header"},
      {npy(dict_of("<i4", "(1,)") + "x"), 4, "not a .npy header"},
      {npy("{'descr"), 4, "not a .npy header"},
      {npy(""), 4, "not a .npy header"},
  };
  for (const auto& c : cases) EXPECT_THAT(refusal_of(c.start, c.start.size() + c.data), HasSubstr(c.message));
}

TEST(NpyHeader, EveryByteMayBeWrong) {
  const std::string good = npy(dict_of("<i4", "(3, 5)"));
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string start = good;
      start[i] = static_cast<char>(start[i] ^ 1 << bit);
      try {
        const NpyHeader header = parse_npy_header(start, good.size() + 60, "ids.npy");
        EXPECT_EQ(header.data_begin + num_bytes(header.shape, header.dtype).value(), good.size() + 60);
      } catch (const Error&) {
      }
    }
    EXPECT_THROW(parse_npy_header(good.substr(0, i), i, "ids.npy"), Error);
  }
}

}  // namespace
}  // namespace tersor::datasets
