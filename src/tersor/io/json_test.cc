#include "tersor/io/json.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_json(text, "config.json");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    return e.what();
  }
  return "";
}

TEST(Json, ParsesAndDumpsAsTheHubDoes) {
  const Json value = parse_json(R"({"b": 1, "a": {"x": [1, 2.5, null, true]}, "ü": "é"})", "x");
  EXPECT_EQ(dump_json(value),
            "{\n  \"a\": {\n    \"x\": [\n      1,\n      2.5,\n      null,\n      true\n    ]\n  },\n"
            "  \"b\": 1,\n  \"\\u00fc\": \"\\u00e9\"\n}");
}

TEST(Json, ErrorsNameTheFileAndThePlace) {
  EXPECT_EQ(error_of("{\n \"a\": 1,\n}"), "config.json: not valid JSON at line 3, column 1");
  EXPECT_NE(error_of("").find("config.json"), std::string::npos);
  EXPECT_EQ(error_of(R"({"a": {"k": 1, "k": 2}})"), "config.json: the key \"k\" stands twice in one object");
  EXPECT_EQ(error_of(R"([{"k": 1}, {"k": 2}])"), "");
  EXPECT_NE(error_of(std::string(100000, '[')).find("deeper"), std::string::npos);
}

TEST(Json, NothingMayStandBehindANul) {
  EXPECT_EQ(error_of(std::string("{}\0{}", 5)), "config.json: not valid JSON at line 1, column 3");
}

// "time_step_limit": [0.0, Infinity] is in the config.json of Mamba-2 hybrids, written by Python.
TEST(Json, TakesPythonsFloats) {
  const Json value =
      parse_json(R"({"a": [0.0, Infinity, -Infinity, NaN], "s": "NaN \" Infinity", "t": "@float:"})", "x");
  EXPECT_EQ(value["a"][1].get<double>(), INFINITY);
  EXPECT_EQ(value["a"][2].get<double>(), -INFINITY);
  EXPECT_TRUE(std::isnan(value["a"][3].get<double>()));
  EXPECT_EQ(value["s"], "NaN \" Infinity");
  EXPECT_EQ(dump_json(value),
            "{\n  \"a\": [\n    0.0,\n    Infinity,\n    -Infinity,\n    NaN\n  ],\n"
            "  \"s\": \"NaN \\\" Infinity\",\n  \"t\": \"@float:\"\n}");
  for (const char* text :
       {"[-NaN]", "[1Infinity]", "[Infinity5]", "[Infinit]", "[nan]", "[+Infinity]", "[--Infinity]",
        "[NaN, 1.0e0000000000008]", "{NaN: 1}", "[InfinityNaN]", "[Infinitye1]"})
    EXPECT_THAT(error_of(text), ::testing::HasSubstr("not valid JSON")) << text;
}

// 1E400 is Infinity to Python, and a whole number has as many digits as it likes.
TEST(Json, TakesPythonsNumbersOfAnySize) {
  const Json value = parse_json(
      R"({"a": 1E400, "b": -1.5e+999, "c": 1000000000000000019884624838656, "d": -99999999999999999999, "e": 1e-999,
          "f": 18446744073709551615, "g": "1E400 @number:1", "h": 1e20})",
      "x");
  EXPECT_EQ(value["a"].get<double>(), INFINITY);
  EXPECT_EQ(value["b"].get<double>(), -INFINITY);
  EXPECT_FALSE(value["c"].is_number());
  EXPECT_EQ(json_kind(value["c"]), "a number beyond 64 bits");
  EXPECT_EQ(json_text(value["c"]), "1000000000000000019884624838656");
  EXPECT_EQ(value["f"].get<uint64_t>(), UINT64_MAX);
  const std::string text = dump_json(value);
  EXPECT_EQ(text,
            "{\n  \"a\": Infinity,\n  \"b\": -Infinity,\n  \"c\": 1000000000000000019884624838656,\n"
            "  \"d\": -99999999999999999999,\n  \"e\": 0.0,\n  \"f\": 18446744073709551615,\n"
            "  \"g\": \"1E400 @number:1\",\n  \"h\": 1e+20\n}");
  EXPECT_EQ(dump_json(parse_json(text, "x")), text);
  for (const char* bad :
       {"[01E400]", "[1.E400]", "[1E400E5]", "[1E]", "[.1E400]", "[1E+]", "[1E400x]", "[--1E400]"})
    EXPECT_THAT(error_of(bad), ::testing::HasSubstr("not valid JSON")) << bad;
}

TEST(Json, SaysHowATextIsBroken) {
  EXPECT_EQ(error_of("{\"a\": [1,\n 2"), "config.json: ends in the middle, at line 2, column 3");
  EXPECT_EQ(error_of("{\"a\": \"b"), "config.json: ends in the middle, at line 1, column 9");
  EXPECT_EQ(error_of("{\n\"a\": \"\xE9t\xE9\"}"), "config.json: not UTF-8 at line 2, column 7 (byte 8)");
}

}  // namespace
}  // namespace tersor
