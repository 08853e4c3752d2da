#include "tersor/quantization/observer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

using ::testing::HasSubstr;

QuantizationArgs observed_by(const char* observer, std::map<std::string, double> kwargs = {}) {
  QuantizationArgs args;
  args.observer = observer;
  args.observer_kwargs = std::move(kwargs);
  return args;
}

TEST(Observer, MseGridHasDefaultsAndArguments) {
  EXPECT_FALSE(mse_grid(observed_by("memoryless_minmax")));
  EXPECT_FALSE(mse_grid(QuantizationArgs{}));
  const auto grid = mse_grid(observed_by("mse"));
  ASSERT_TRUE(grid);
  EXPECT_EQ(grid->num_steps(), 20);
  EXPECT_EQ(grid->patience, 0) << "every step is tried";
  EXPECT_EQ(grid->norm, 2.4);
  const auto other = mse_grid(observed_by("memoryless_mse", {{"maxshrink", 0.8}, {"grid", 50}, {"norm", 3}}));
  EXPECT_EQ(other->num_steps(), 40);
  EXPECT_EQ(other->norm, 3);
}

TEST(Observer, EveryNameIsKnown) {
  for (std::string_view name : weight_observers()) {
    EXPECT_NO_THROW(validate_weight_observer(observed_by(std::string(name).c_str()), "here"));
  }
  EXPECT_NO_THROW(validate_weight_observer(QuantizationArgs{}, "here"));
}

std::string refusal(const QuantizationArgs& args, std::string* help = nullptr) {
  try {
    validate_weight_observer(args, "group_0.weights");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    if (help != nullptr) *help = e.help();
    return e.what();
  }
  return "";
}

TEST(Observer, RefusesWhatItDoesNotKnow) {
  std::string help;
  EXPECT_THAT(refusal(observed_by("memoryless_mes"), &help), HasSubstr("no observer `memoryless_mes`"));
  EXPECT_THAT(help, HasSubstr("did you mean `memoryless_mse`"));
  EXPECT_THAT(refusal(observed_by("percentile"), &help), HasSubstr("group_0.weights"));
  EXPECT_THAT(help, HasSubstr("`memoryless_minmax`"));
  EXPECT_THAT(refusal(observed_by("mse", {{"shrink", 0.1}}), &help), HasSubstr("no argument `shrink`"));
  EXPECT_THAT(help, HasSubstr("`maxshrink`"));
  EXPECT_THAT(refusal(observed_by("minmax", {{"grid", 10}})), HasSubstr("`minmax` has no argument `grid`"));
  EXPECT_THAT(refusal(observed_by("mse", {{"grid", 0}})), HasSubstr("grid is 0"));
  EXPECT_THAT(refusal(observed_by("mse", {{"patience", 2.5}})), HasSubstr("patience is 2.5"));
  EXPECT_THAT(refusal(observed_by("mse", {{"norm", -1}})), HasSubstr("takes 1 to 4"));
  EXPECT_THAT(refusal(observed_by("mse", {{"maxshrink", 2}})), HasSubstr("maxshrink is 2"));
  EXPECT_EQ(refusal(observed_by("mse", {{"maxshrink", 0.3}, {"grid", 100}, {"averaging_constant", 0.01}})),
            "");
}

}  // namespace
}  // namespace tersor
