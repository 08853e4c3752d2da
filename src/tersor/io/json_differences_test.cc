#include "tersor/io/json_differences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tersor {
namespace {

std::vector<std::string> differences(const char* found, const char* expected, size_t limit = 8) {
  return json_differences(parse_json(found, "found"), parse_json(expected, "expected"), limit);
}

TEST(JsonDifferences, NamesEachPlace) {
  EXPECT_THAT(differences(R"({"a": {"b": [1, 2]}, "c": 1})", R"({"a": {"b": [1, 3]}, "d": "x"})"),
              testing::ElementsAre("`a.b[1]` is 2; 3 was expected", "`c` is 1, but no such key was expected",
                                   "`d` is missing; \"x\" was expected"));
  EXPECT_THAT(differences(R"({"a": [1]})", R"({"a": [1, 2]})"),
              testing::ElementsAre("`a` is [1]; [1,2] was expected"));
  EXPECT_THAT(differences(R"({"a": {}})", R"({"a": null})"),
              testing::ElementsAre("`a` is {}; null was expected"));
}

TEST(JsonDifferences, EqualValuesHaveNone) {
  for (const char* text : {"{}", R"({"a": [1, 2.5, null, true, {"b": NaN}], "c": -Infinity})"})
    EXPECT_THAT(differences(text, text), testing::IsEmpty()) << text;
  EXPECT_THAT(differences(R"({"a": NaN})", R"({"a": 1.0})"), testing::SizeIs(1));
}

TEST(JsonDifferences, StopsAtTheLimit) {
  EXPECT_THAT(differences(R"([1, 2, 3, 4])", R"([5, 6, 7, 8])", 2), testing::SizeIs(2));
}

}  // namespace
}  // namespace tersor
