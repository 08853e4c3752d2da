#include "tersor/io/yaml.h"

#include <cmath>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

using testing::HasSubstr;

std::string error_of(std::string_view text) {
  try {
    parse_yaml(text, "r.yaml");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    return e.what();
  }
  return "no error";
}

YamlNode scalar(std::string_view text) {
  return parse_yaml("v: " + std::string(text), "r.yaml").entries[0].value;
}

TEST(Yaml, KeepsOrderAndPlaces) {
  const YamlNode root = parse_yaml("b:\n  list: [x, 'y']\na: 1\n", "r.yaml");
  ASSERT_EQ(root.kind, YamlNode::Kind::kMapping);
  ASSERT_EQ(root.entries.size(), 2u);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_EQ(root.entries[1].key, "a");
  EXPECT_EQ(root.entries[1].line, 3);
  const YamlNode& list = *root.find("b")->find("list");
  EXPECT_EQ(list.line, 2);
  EXPECT_EQ(list.column, 9);
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[1].column, 13);
  EXPECT_FALSE(list.items[0].quoted);
  EXPECT_TRUE(list.items[1].quoted);
  EXPECT_EQ(root.find("c"), nullptr);
  EXPECT_EQ(list.find("c"), nullptr);
}

TEST(Yaml, ReadsJson) {
  const YamlNode root = parse_yaml("{\n\t\"a\":[1,true,null,\"re:.*\\\\.x\"],\"b\":{}}", "r.json");
  const std::vector<YamlNode>& items = root.find("a")->items;
  EXPECT_EQ(items[0].as_int(), 1);
  EXPECT_EQ(items[1].as_bool(), true);
  EXPECT_TRUE(items[2].is_null());
  EXPECT_EQ(items[3].scalar, "re:.*\\.x");
  EXPECT_EQ(root.find("b")->kind, YamlNode::Kind::kMapping);
}

TEST(Yaml, EmptyTextIsNull) {
  EXPECT_TRUE(parse_yaml("", "r.yaml").is_null());
  EXPECT_TRUE(parse_yaml("# only a comment\n", "r.yaml").is_null());
  EXPECT_TRUE(parse_yaml("---\n", "r.yaml").is_null());
}

// Expected values are PyYAML 6's, except 1e3 and its like, which it reads as strings, and 0o17.
TEST(Yaml, Ints) {
  const std::pair<const char*, int64_t> good[] = {{"0", 0},
                                                  {"128", 128},
                                                  {"-1", -1},
                                                  {"+7", 7},
                                                  {"0x1F", 31},
                                                  {"-0x10", -16},
                                                  {"017", 15},
                                                  {"0o17", 15},
                                                  {"0b101", 5},
                                                  {"1_000", 1000},
                                                  {"9223372036854775807", INT64_MAX}};
  for (const auto& [text, value] : good) EXPECT_EQ(scalar(text).as_int(), value) << text;
  for (const char* text : {"'1'", "1.0", "1e3", "0x", "0x-5", "--1", "9223372036854775808", "one", "08",
                           "1 2", "~", "[1]", "true", "''"}) {
    EXPECT_EQ(scalar(text).as_int(), std::nullopt) << text;
  }
}

TEST(Yaml, Doubles) {
  const std::pair<const char*, double> good[] = {{"0.01", 0.01}, {"1.0e-3", 1e-3},   {"1e-3", 1e-3},
                                                 {"2", 2},       {"-.5", -.5},       {"1_0.5", 10.5},
                                                 {"1.", 1},      {".inf", INFINITY}, {"-.inf", -INFINITY}};
  for (const auto& [text, value] : good) EXPECT_EQ(scalar(text).as_double(), value) << text;
  EXPECT_TRUE(std::isnan(*scalar(".nan").as_double()));
  for (const char* text : {"'1.0'", "inf", "nan", "-inf", "1.0x", "", "1e", "--1.0", "no"}) {
    EXPECT_EQ(scalar(text).as_double(), std::nullopt) << text;
  }
}

TEST(Yaml, Bools) {
  for (const char* text : {"true", "True", "YES", "on"}) EXPECT_EQ(scalar(text).as_bool(), true) << text;
  for (const char* text : {"false", "No", "OFF"}) EXPECT_EQ(scalar(text).as_bool(), false) << text;
  for (const char* text : {"'true'", "y", "n", "1", "tRue", ""})
    EXPECT_EQ(scalar(text).as_bool(), std::nullopt);
}

TEST(Yaml, Nulls) {
  for (const char* text : {"", "~", "null", "Null", "NULL"}) EXPECT_TRUE(scalar(text).is_null()) << text;
  for (const char* text : {"''", "'null'", "nil"}) EXPECT_FALSE(scalar(text).is_null()) << text;
}

TEST(Yaml, KeepsForeignTagsAndDropsItsOwn) {
  const YamlNode root = parse_yaml(
      "a: !!python/object/apply:compressed_tensors.quantization.quant_args.ActivationOrdering [\n  static]\n"
      "b: !!python/tuple\n- x\nc: !mine z\nd: !!str 5\ne: !!seq [1]\nf: 'quoted'\n",
      "r.yaml");
  EXPECT_EQ(root.find("a")->tag,
            "!!python/object/apply:compressed_tensors.quantization.quant_args.ActivationOrdering");
  EXPECT_EQ(root.find("a")->items[0].scalar, "static");
  EXPECT_EQ(root.find("b")->tag, "!!python/tuple");
  EXPECT_EQ(root.find("c")->tag, "!mine");
  EXPECT_EQ(root.find("d")->tag, "");
  EXPECT_TRUE(root.find("d")->quoted);
  EXPECT_EQ(root.find("e")->tag, "");
  EXPECT_EQ(root.find("f")->tag, "");
}

TEST(Yaml, ExpandsAliasesAndMerges) {
  const YamlNode root = parse_yaml(
      "base: &b {x: 1, y: 2}\nmore: &m {y: 5, z: 6}\n"
      "one: {<<: *b, y: 3}\ntwo: {<<: [*m, *b]}\nsame: *b\nplain: {'<<': 4}\n",
      "r.yaml");
  EXPECT_EQ(root.find("one")->find("x")->as_int(), 1);
  EXPECT_EQ(root.find("one")->find("y")->as_int(), 3);
  EXPECT_EQ(root.find("two")->find("y")->as_int(), 5);
  EXPECT_EQ(root.find("two")->find("x")->as_int(), 1);
  EXPECT_EQ(root.find("same")->find("y")->as_int(), 2);
  EXPECT_EQ(root.find("same")->line, 5);
  EXPECT_EQ(root.find("plain")->find("<<")->as_int(), 4);
}

TEST(Yaml, ErrorsNameThePlace) {
  EXPECT_EQ(error_of("a:\n  b: 1\n  b: 2\n"), "r.yaml:3:3: the key `b` stands twice in one mapping");
  EXPECT_EQ(error_of("a: [1, 2\nb: 3\n"), "r.yaml:2:2: not valid YAML: end of sequence flow not found");
  EXPECT_EQ(error_of("a: 1\n---\nb: 2\n"),
            "r.yaml:2:1: a second YAML document starts here, but a file holds one");
  EXPECT_EQ(error_of("'b' 'c'\n"), "r.yaml:1:5: not valid YAML: this belongs to nothing before it");
  EXPECT_EQ(error_of("[a, b]: 1\n"),
            "r.yaml:1:1: a key must be plain text, but a list or mapping stands here");
  EXPECT_EQ(error_of(": 1\n"),
            "r.yaml:1:1: a key must be plain text, but this one is empty, a list or a mapping");
  EXPECT_EQ(error_of("a: &x [1, *x]\n"), "r.yaml:1:11: an alias stands inside the value that it names");
  EXPECT_EQ(error_of("a: *y\n"), "r.yaml:1:4: not valid YAML: the referenced anchor is not defined");
  EXPECT_EQ(error_of("<<: 5\n"),
            "r.yaml:1:5: `<<` merges a mapping or a list of mappings, but this is neither");
}

TEST(Yaml, EscapesThatGiveNoUtf8AreRefused) {
  EXPECT_EQ(parse_yaml("a: \"\\u0085\\u00A0\\U0001F600\"", "r.yaml").entries.at(0).value.scalar,
            "\xC2\x85\xC2\xA0\xF0\x9F\x98\x80");
  for (const char* bad : {"\\N", "\\_"}) {
    EXPECT_EQ(error_of(fmt::format("a: \"x{}\"", bad)),
              "r.yaml:1:4: an escape in this text does not give UTF-8");
    EXPECT_EQ(error_of(fmt::format("\"x{}\": a", bad)),
              "r.yaml:1:1: an escape in this text does not give UTF-8");
  }
}

TEST(Yaml, HostileTextIsRefused) {
  EXPECT_EQ(error_of(std::string("a\0b", 3)), "r.yaml: not UTF-8 text: byte 1 is 0x00");
  EXPECT_EQ(error_of("a: \xC3("), "r.yaml: not UTF-8 text: byte 3 is 0xc3");
  for (const char* bad :
       {"\x1F", "\x7F", "\xC0\x80", "\xC2\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xEF\xBF\xBE",
        "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5", "\x80", "\xE2\x82"}) {
    EXPECT_THAT(error_of("a: " + std::string(bad)), HasSubstr("r.yaml: not UTF-8 text: byte 3 is 0x")) << bad;
  }
  for (const char* good :
       {"\xC2\x85", "\xC3\xA9", "\xE2\x82\xAC", "\xEF\xBF\xBD", "\xF4\x8F\xBF\xBF", "\t\r\n"}) {
    EXPECT_EQ(error_of("a: 'x" + std::string(good) + "'"), "no error") << good;
  }
  EXPECT_EQ(error_of("a: " + std::string(64, '[') + std::string(64, ']')),
            "r.yaml:1:67: nested deeper than 64 levels");
  EXPECT_EQ(error_of("a: " + std::string(100'000, '[') + std::string(100'000, ']')),
            "r.yaml:1:67: nested deeper than 64 levels");
  EXPECT_EQ(error_of(std::string(5 << 20, 'a')),
            "r.yaml: 5242880 bytes of YAML, but at most 1048576 are read");
  EXPECT_EQ(error_of("- " + std::string(70'000, 'a')),
            "r.yaml:1:3: text of 70000 bytes, but at most 65536 are read");
  EXPECT_EQ(error_of("? " + std::string(200, 'a') + "\n: 1"),
            "r.yaml:1:3: a key of 200 bytes, but at most 128 are read");
  // The billion laughs: nine anchors, each ten times the one before.
  std::string laughs = "a0: &a0 [x]\n";
  for (int i = 1; i < 9; ++i) {
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) laughs += "*a" + std::to_string(i - 1) + ", ";
    laughs += "]\n";
  }
  EXPECT_THAT(error_of(laughs), HasSubstr("more than 100000 values, aliases expanded"));
  // Depth through aliases.
  std::string deep = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n";
  for (int i = 1; i < 8; ++i) {
    deep += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [[[[[[[[[[*a" + std::to_string(i - 1) +
            "]]]]]]]]]]\n";
  }
  EXPECT_THAT(error_of(deep), HasSubstr("nested deeper than 64 levels"));
}

}  // namespace
}  // namespace tersor
