#include "tersor/io/safetensors/safetensors_header.h"

#include <algorithm>
#include <random>

#include "temp_folder.h"
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

using ::testing::HasSubstr;

// The header and the file around it, for a JSON text and a number of data bytes.
SafetensorsHeader parse(const std::string& json, uint64_t data_bytes) {
  return parse_safetensors_header(json, 8 + json.size(), 8 + json.size() + data_bytes, "m.safetensors");
}

std::string error_of(const std::string& json, uint64_t data_bytes) {
  try {
    parse(json, data_bytes);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_FALSE(e.help().empty());
    return e.what();
  }
  return "";
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& range) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{}]}})", name, dtype, shape, range);
}

TEST(SafetensorsHeader, ParsesTensorsInOrderOfTheirPlace) {
  const std::string json = "{" + entry("b", "BF16", "2,3", "4,16") + "," + entry("a", "F32", "1", "0,4") +
                           R"(,"__metadata__":{"format":"pt","ü":"é"}})";
  const SafetensorsHeader header = parse(json, 16);
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.data_begin, 8 + json.size());
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[0].dtype, DType::kF32);
  EXPECT_EQ(header.tensors[0].shape, Shape{1});
  EXPECT_EQ(header.tensors[0].begin, header.data_begin);
  EXPECT_EQ(header.tensors[1].name, "b");
  EXPECT_EQ(header.tensors[1].shape, (Shape{2, 3}));
  EXPECT_EQ(header.tensors[1].begin, header.data_begin + 4);
  EXPECT_EQ(header.tensors[1].end, header.data_begin + 16);
  EXPECT_EQ(header.metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"ü", "é"}}));
}

TEST(SafetensorsHeader, ParsesScalarsAndEmptyTensors) {
  const SafetensorsHeader header =
      parse("{" + entry("s", "I64", "", "0,8") + "," + entry("e", "F16", "0,4", "0,0") + "," +
                entry("f", "F16", "3,0", "8,8") + "}",
            8);
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].name, "e");  // empty, so before the tensor that begins at the same byte
  EXPECT_EQ(header.tensors[1].name, "s");
  EXPECT_TRUE(header.tensors[1].shape.empty());
  EXPECT_EQ(header.tensors[2].name, "f");
  EXPECT_TRUE(parse("{}", 0).tensors.empty());
  EXPECT_TRUE(parse("{}    ", 0).tensors.empty());
}

TEST(SafetensorsHeader, ReadsEveryDType) {
  for (int d = 0; d <= static_cast<int>(DType::kF64); ++d) {
    const auto dtype = static_cast<DType>(d);
    const std::string end = std::to_string(3 * dtype_size(dtype));
    const SafetensorsHeader header =
        parse("{" + entry("t", std::string(dtype_name(dtype)), "3", "0," + end) + "}", 3 * dtype_size(dtype));
    EXPECT_EQ(header.tensors.at(0).dtype, dtype);
  }
}

TEST(SafetensorsHeader, RefusesWhatIsNotTheFormat) {
  EXPECT_THAT(error_of("", 0),
              HasSubstr("m.safetensors: the safetensors header is empty, a JSON object was expected"));
  EXPECT_THAT(error_of("[]", 0), HasSubstr("begins otherwise than with `{`, a JSON object was expected"));
  EXPECT_THAT(error_of(" {}", 0), HasSubstr("begins otherwise than with `{`"));
  EXPECT_THAT(error_of("\xEF\xBB\xBF{}", 0), HasSubstr("begins otherwise than with `{`"));
  EXPECT_THAT(error_of(std::string("{}\0{}", 5), 0), HasSubstr("not valid JSON at its byte 3"));
  EXPECT_THAT(error_of("{} x", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("{\"\xFF\":{}}", 0), HasSubstr("the safetensors header is not UTF-8 at its byte 2"));
  for (const char* number : {"1E400", "1000000000000000019884624838656"}) {
    EXPECT_THAT(
        error_of(fmt::format(R"({{"t":{{"dtype":"U8","shape":[{}],"data_offsets":[0,1]}}}})", number), 1),
        HasSubstr(fmt::format("tensor `t`: `shape` was expected to be an array of sizes, but the number {}",
                              number)));
  }
  EXPECT_THAT(error_of(R"({"a":1})", 0),
              HasSubstr("the header's entry `a` was expected to be an object, it is the number 1"));
  EXPECT_THAT(error_of(R"({"a":[]})", 0), HasSubstr("it is an array"));
  EXPECT_THAT(error_of(R"({"a":null})", 0), HasSubstr("it is null"));
  EXPECT_THAT(error_of(R"({"a":"x"})", 0), HasSubstr("it is the text \"x\""));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[0]}})", 0),
              HasSubstr("tensor `a`: its entry has no `data_offsets`"));
  EXPECT_THAT(error_of(R"({"a":{}})", 0), HasSubstr("no `dtype`"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","strides":[1]}})", 0), HasSubstr("unknown key `strides`"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","dtype":"U8"}})", 0), HasSubstr("`dtype` stands twice"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":7}})", 0), HasSubstr("`dtype` was expected to be a name"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":["U8"]}})", 0), HasSubstr("but an array stands there"));
  EXPECT_THAT(error_of(R"({"a":{"shape":[-1]}})", 0), HasSubstr("but the number -1 stands there"));
  EXPECT_THAT(error_of(R"({"a":{"shape":[1.5]}})", 0), HasSubstr("but the number 1.5 stands there"));
  EXPECT_THAT(error_of(R"({"a":{"shape":[18446744073709551616]}})", 0), HasSubstr("18446744073709551616"));
  EXPECT_THAT(error_of(R"({"a":{"shape":[[1]]}})", 0), HasSubstr("but an array stands there"));
  EXPECT_THAT(error_of(R"({"a":{"shape":[{}]}})", 0), HasSubstr("but an object stands there"));
  EXPECT_THAT(error_of(R"({"a":{"shape":3}})", 0), HasSubstr("`shape` was expected to be an array"));
  EXPECT_THAT(error_of(R"({"a":{"data_offsets":[0]}})", 0), HasSubstr("two numbers"));
  EXPECT_THAT(error_of(R"({"a":{"data_offsets":[0,1,2]}})", 0), HasSubstr("[begin, end], but the number 2"));
  EXPECT_THAT(error_of(R"({"a":{"data_offsets":[0,true]}})", 0), HasSubstr("but true stands there"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"format":1}})", 0), HasSubstr("`__metadata__` holds text only"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"a":{}}})", 0), HasSubstr("`__metadata__` holds text only"));
  EXPECT_THAT(error_of(R"({"__metadata__":[]})", 0), HasSubstr("it is an array"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"a":"1","a":"1"}})", 0),
              HasSubstr("`a` stands twice in `__metadata__`"));
  EXPECT_THAT(error_of(R"({"__metadata__":{},"__metadata__":{}})", 0),
              HasSubstr("`__metadata__` stands twice"));
  EXPECT_THAT(error_of(R"({"a":{"shape":[)" + std::string(100000, '['), 0),
              HasSubstr("but an array stands there"));
  std::string rank(2 * 65, '1');
  for (size_t i = 1; i < rank.size(); i += 2) rank[i] = ',';
  rank.pop_back();
  EXPECT_THAT(error_of("{" + entry("a", "U8", rank, "0,1") + "}", 1), HasSubstr("more than 64 sizes"));
}

TEST(SafetensorsHeader, RefusesTensorsThatAreNotWhereTheySay) {
  EXPECT_THAT(error_of("{" + entry("a", "F4", "2", "0,1") + "}", 1), HasSubstr("tensor `a`: its dtype `F4`"));
  EXPECT_THAT(
      error_of("{" + entry("a", "BF16", "2,3", "0,14") + "}", 14),
      HasSubstr("tensor `a`: BF16 of shape [2, 3] needs 12 bytes, but its data_offsets [0, 14] hold 14"));
  EXPECT_THAT(error_of("{" + entry("a", "U8", "1", "2,1") + "}", 2), HasSubstr("end before they begin"));
  EXPECT_THAT(error_of("{" + entry("a", "F64", "4294967296,4294967296", "0,0") + "}", 0),
              HasSubstr("more than 2^64"));
  // 2^61 elements of 8 bytes wrap to 0 in 64 bits.
  EXPECT_THAT(error_of("{" + entry("a", "F64", "2305843009213693952", "0,0") + "}", 0),
              HasSubstr("more than 2^64"));
  const std::string a = entry("a", "U8", "4", "0,4");
  EXPECT_THAT(error_of("{" + a + "," + entry("b", "U8", "4", "3,7") + "}", 7),
              HasSubstr("tensor `b` begins at byte 3 of the data, but tensor `a` ends at 4: they overlap"));
  EXPECT_THAT(error_of("{" + a + "," + entry("b", "U8", "4", "5,9") + "}", 9),
              HasSubstr("belong to no tensor"));
  EXPECT_THAT(error_of("{" + entry("b", "U8", "4", "5,9") + "}", 9), HasSubstr("the data begins at 0"));
  EXPECT_THAT(error_of("{" + a + "," + entry("a", "U8", "4", "4,8") + "}", 8),
              HasSubstr("two tensors are named `a`"));
  EXPECT_THAT(error_of("{" + a + "}", 3), HasSubstr("bytes, its header promises"));
  EXPECT_THAT(error_of("{" + a + "}", 5), HasSubstr("1 at the end belong to no tensor"));
  EXPECT_THAT(error_of("{}", 5), HasSubstr("5 at the end belong to no tensor"));
  EXPECT_THAT(error_of("{" + entry("a", "U8", "18446744073709551615", "0,18446744073709551615") + "}", 4),
              HasSubstr("its header promises more than 2^64"));
}

std::string file_error(const TempFolder& folder, const std::string& contents) {
  const auto path = folder.write("m.safetensors", contents);
  try {
    read_safetensors_header(*open_file_source(path));
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr(path.string()));
    return fmt::format("{} | {}", e.what(), e.help());
  }
  return "";
}

std::string with_length(uint64_t length, const std::string& rest) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(length >> (8 * i) & 0xFF);
  return out + rest;
}

TEST(SafetensorsHeader, RefusesFilesThatAreCutShortOrSomethingElse) {
  const TempFolder folder;
  EXPECT_THAT(file_error(folder, ""), HasSubstr("is empty | download it again"));
  EXPECT_THAT(file_error(folder, "1234567"), HasSubstr("has 7 bytes"));
  EXPECT_THAT(file_error(folder, with_length(3, "{}")), HasSubstr("has 10 bytes, its header alone needs 11"));
  EXPECT_THAT(file_error(folder, with_length(100'000'001, "{}")),
              HasSubstr("header length of 100000001 bytes"));
  EXPECT_THAT(file_error(folder, with_length(~0ull, "{}")), HasSubstr("at most 100000000"));
  EXPECT_THAT(file_error(folder, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
              HasSubstr("git lfs pull"));
  EXPECT_THAT(file_error(folder, "<!DOCTYPE html><html></html>"), HasSubstr("web page"));
  std::string json = "{" + entry("a", "U8", "4", "0,4") + "}";
  json.resize(64, ' ');
  const std::string whole = with_length(64, json);
  EXPECT_EQ(file_error(folder, whole + "abcd"), "");
  // Every shorter file is refused, and never read past its end.
  for (size_t n = 0; n < whole.size() + 4; ++n)
    EXPECT_NE(file_error(folder, (whole + "abcd").substr(0, n)), "") << n;
}

// Test vector 11.15 of the format's specification: a whole file.
TEST(SafetensorsLayout, WritesTheReferenceHeader) {
  std::vector<TensorInfo> tensors = {{"l.weight_shape", DType::kI64, {2}},
                                     {"l.weight_packed", DType::kI32, {1, 2}},
                                     {"l.weight_scale", DType::kBF16, {1, 1}}};
  const std::string bytes = layout_safetensors(tensors, {{"format", "pt"}});
  EXPECT_EQ(bytes, std::string("\xF8\0\0\0\0\0\0\0", 8) +
                       R"({"__metadata__":{"format":"pt"},"l.weight_shape":{"dtype":"I64","shape":[2],)"
                       R"("data_offsets":[0,16]},"l.weight_packed":{"dtype":"I32","shape":[1,2],)"
                       R"("data_offsets":[16,24]},"l.weight_scale":{"dtype":"BF16","shape":[1,1],)"
                       R"("data_offsets":[24,26]}}       )");
  EXPECT_EQ(tensors[0].begin, 256u);
  EXPECT_EQ(tensors[2].end, 282u);
}

TEST(SafetensorsLayout, RoundTripsWhatItWrites) {
  std::mt19937 rng(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<TensorInfo> tensors(rng() % 20);
    for (size_t i = 0; i < tensors.size(); ++i) {
      const char* names[] = {"model.layers.{}.weight", "quote\"{}", "back\\{}", "\x01 control {}", "é{}"};
      tensors[i].name = fmt::format(fmt::runtime(names[rng() % 5]), i);
      tensors[i].dtype = static_cast<DType>(rng() % 16);
      for (size_t r = rng() % 4; r > 0; --r) tensors[i].shape.push_back(rng() % 5);
    }
    const std::map<std::string, std::string> metadata =
        rng() % 2 ? std::map<std::string, std::string>{{"format", "pt"}, {"a\nb", "\"c\""}}
                  : std::map<std::string, std::string>{};
    const std::string bytes = layout_safetensors(tensors, metadata);
    ASSERT_EQ(bytes.size() % 8, 0u);
    const uint64_t end = tensors.empty() ? bytes.size() : tensors.back().end;
    const SafetensorsHeader header =
        parse_safetensors_header(std::string_view(bytes).substr(8), bytes.size(), end, "x");
    EXPECT_EQ(header.metadata, metadata);
    ASSERT_EQ(header.tensors.size(), tensors.size());
    for (const TensorInfo& expected : tensors) {
      const auto found = std::ranges::find(header.tensors, expected.name, &TensorInfo::name);
      ASSERT_NE(found, header.tensors.end()) << expected.name;
      EXPECT_EQ(found->dtype, expected.dtype);
      EXPECT_EQ(found->shape, expected.shape);
      EXPECT_EQ(found->begin, expected.begin);
      EXPECT_EQ(found->end, expected.end);
    }
  }
}

TEST(SafetensorsLayout, RefusesWhatNoReaderTakes) {
  std::vector<TensorInfo> twice = {{"a", DType::kU8, {1}}, {"a", DType::kU8, {1}}};
  EXPECT_THROW(layout_safetensors(twice, {}), Error);
  std::vector<TensorInfo> reserved = {{"__metadata__", DType::kU8, {1}}};
  EXPECT_THROW(layout_safetensors(reserved, {}), Error);
  std::vector<TensorInfo> huge = {{"a", DType::kU8, {1ull << 63}}, {"b", DType::kU8, {1ull << 63}}};
  EXPECT_THROW(layout_safetensors(huge, {}), Error);
}

}  // namespace
}  // namespace tersor
