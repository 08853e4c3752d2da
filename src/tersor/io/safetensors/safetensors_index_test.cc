#include "tersor/io/safetensors/safetensors_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    parse_safetensors_index(text, "index.json");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_FALSE(e.help().empty());
    EXPECT_THAT(e.what(), HasSubstr("index.json: "));
    return e.what();
  }
  return "";
}

TEST(SafetensorsIndex, SortsFilesAndTensors) {
  const SafetensorsIndex index = parse_safetensors_index(
      R"({"a": [1, {"b": {}}, []], "weight_map": {"z": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors"},
          "metadata": {"total_size": 12, "nested": [{"x": null}]}, "d": {"weight_map": 7}, "e": -1, "f": 0.5, "g": "h"})",
      "index.json");
  EXPECT_THAT(index.files, ElementsAre("1.safetensors", "2.safetensors"));
  ASSERT_EQ(index.entries.size(), 3u);
  EXPECT_EQ(index.entries[0].tensor, "b");
  EXPECT_EQ(index.entries[0].file, 0u);
  EXPECT_EQ(index.entries[1].tensor, "c");
  EXPECT_EQ(index.entries[1].file, 1u);
  EXPECT_EQ(index.entries[2].tensor, "z");
  EXPECT_EQ(index.metadata, Json::parse(R"({"total_size": 12, "nested": [{"x": null}]})"));
}

TEST(SafetensorsIndex, MetadataThatIsNoObjectIsLeftOut) {
  for (const char* metadata : {"null", "7", "[]", "\"x\""}) {
    const std::string text =
        std::string(R"({"metadata": )") + metadata + R"(, "weight_map": {"a": "m.safetensors"}})";
    EXPECT_TRUE(parse_safetensors_index(text, "index.json").metadata.is_null()) << text;
  }
  EXPECT_TRUE(parse_safetensors_index(R"({"weight_map": {"a": "m.safetensors"}})", "i").metadata.is_null());
}

// Python's json module writes what is not finite like this.
TEST(SafetensorsIndex, TakesInfinityInMetadata) {
  const std::string numbers = "[Infinity, -Infinity, 1E400]";
  const SafetensorsIndex index = parse_safetensors_index(
      R"({"metadata": {"loss": )" + numbers +
          R"(, "NaN": "Infinity"}, "best": NaN, "weight_map": {"Infinity": "m.safetensors"}})",
      "index.json");
  EXPECT_EQ(json_text(index.metadata), R"({"NaN":"Infinity","loss":[Infinity,-Infinity,Infinity]})");
  ASSERT_EQ(index.entries.size(), 1u);
  EXPECT_EQ(index.entries[0].tensor, "Infinity");
  EXPECT_THAT(error_of(R"({"weight_map": {"a": Infinity}})"), HasSubstr("gives tensor `a` something"));
  EXPECT_THAT(error_of(R"({"metadata": -NaN, "weight_map": {"a": "m.safetensors"}})"),
              HasSubstr("not valid"));
  EXPECT_THAT(error_of("{\"metadata\": NaN,\n\"weight_map\": }"), HasSubstr("not valid JSON at line 2"));
}

TEST(SafetensorsIndex, RefusesWhatIsNoIndex) {
  for (const char* text : {"[]", "7", "null", "\"x\"", "[{}]"})
    EXPECT_THAT(error_of(text), HasSubstr("expected to be a JSON object")) << text;
  EXPECT_THAT(error_of(""), HasSubstr("not valid JSON at line 1, column 1"));
  EXPECT_THAT(error_of("{\n\"weight_map\": {\"a\": }}"), HasSubstr("not valid JSON at line 2"));
  EXPECT_THAT(error_of(std::string("{}\0", 3)), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("{\"weight_map\": {\"a\": \"m.safetensors\","),
              HasSubstr("ends in the middle, at line 1, "));
  EXPECT_THAT(error_of("{\"\xFF\": 1}"), HasSubstr("not UTF-8 at line 1, column 3"));
  EXPECT_THAT(error_of("{}"), HasSubstr("no `weight_map`"));
  EXPECT_THAT(error_of(R"({"weight_map": {}})"), HasSubstr("`weight_map` is empty"));
  for (const char* value : {"[]", "7", "-7", "0.5", "null", "true", "\"x\""}) {
    EXPECT_THAT(error_of(std::string("{\"weight_map\": ") + value + "}"),
                HasSubstr("was expected to be an object"))
        << value;
    if (value[0] != '"') {
      EXPECT_THAT(error_of(std::string("{\"weight_map\": {\"a\": ") + value + "}}"),
                  HasSubstr("gives tensor `a` something that is no file name"))
          << value;
    }
  }
  EXPECT_THAT(error_of(R"({"weight_map": {"a": {}}})"), HasSubstr("no file name"));
  EXPECT_THAT(error_of(R"({"weight_map": {"a": "m.safetensors", "a": "m.safetensors"}})"),
              HasSubstr("tensor `a` stands twice"));
  EXPECT_THAT(error_of(R"({"weight_map": {"a": "m.safetensors"}, "weight_map": {}})"),
              HasSubstr("`weight_map` stands twice"));
  EXPECT_THAT(error_of(R"({"metadata": {"a": 1, "a": 2}, "weight_map": {"a": "m.safetensors"}})"),
              HasSubstr("the key \"a\" stands twice"));
  EXPECT_THAT(error_of("{\"x\": " + std::string(100000, '[')), HasSubstr("nested deeper than 256 levels"));
}

TEST(SafetensorsIndex, RefusesNamesThatAreNoPlainFiles) {
  auto with_file = [](const std::string& file) {
    return error_of(R"({"weight_map": {"a": ")" + file + "\"}}");
  };
  for (const char* file : {"../m.safetensors", "/m.safetensors", "sub/m.safetensors", "a\\\\m.safetensors",
                           "m\\u0000.safetensors"})
    EXPECT_THAT(with_file(file), HasSubstr("which is a path, the name of a file")) << file;
  for (const std::string file : {"", ".", "..", "m.bin", "m.safetensors.tmp"})
    EXPECT_THAT(with_file(file), HasSubstr("no .safetensors file")) << file;
  EXPECT_THAT(with_file(std::string(300, 'x') + ".safetensors"), HasSubstr("no .safetensors file"));
}

}  // namespace
}  // namespace tersor
