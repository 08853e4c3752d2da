#include "tersor/io/json.h"

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

}  // namespace
}  // namespace tersor
