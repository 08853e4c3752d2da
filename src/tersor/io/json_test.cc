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
        "[NaN, 1.0e0000000000008]", "{NaN: 1}", "[Infinity", "[InfinityNaN]", "[Infinitye1]"})
    EXPECT_THAT(error_of(text), ::testing::HasSubstr("not valid JSON")) << text;
}

}  // namespace
}  // namespace tersor
