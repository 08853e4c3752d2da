#include "tersor/cli/printing.h"

#include <gtest/gtest.h>

#include "tersor/cli/progress_line.h"
#include "tersor/cli/table.h"

namespace tersor {
namespace {

TEST(Table, AlignsByCharactersNotBytes) {
  Table table("<>");
  table.add({"name", "size"});
  table.add({"ü…", "1"});
  EXPECT_EQ(table.text(), "  name  size\n  ü…       1\n");
}

TEST(Progress, TellsWhereACalibrationIs) {
  const RunProgress p{.phase = "calibrating",
                      .done = 300,
                      .total = 400,
                      .resumed = 100,
                      .seconds = 20,
                      .at = "layer 3 of 30, down",
                      .seconds_left = 90,
                      .tokens_per_second = 215.4};
  EXPECT_EQ(progress_text(p, 20'000'000),
            "calibrating  75 %  layer 3 of 30, down  215 tokens/s  1m 30s left  memory 20.0 MB");
  const RunProgress first{.phase = "calibrating", .total = 400, .at = "layer 1 of 30, down"};
  EXPECT_EQ(progress_text(first, 20'000'000), "calibrating   0 %  layer 1 of 30, down  memory 20.0 MB");
}

TEST(Progress, TellsRateAndRemainingTime) {
  RunProgress p{.phase = "compressing",
                .done = 3'000'000'000,
                .total = 4'000'000'000,
                .resumed = 1'000'000'000,
                .seconds = 2};
  // Two of the three gigabytes are of this run: a gigabyte a second.
  EXPECT_EQ(progress_text(p, 20'000'000),
            "compressing  75 %  3.00 GB of 4.00 GB  1.00 GB/s  1.0s left  memory 20.0 MB");
  p.seconds = 0.01;  // too early to promise anything
  EXPECT_EQ(progress_text(p, 20'000'000), "compressing  75 %  3.00 GB of 4.00 GB  memory 20.0 MB");
}

TEST(Progress, OfAShareTellsRemainingTime) {
  EXPECT_EQ(progress_text("evaluating", 0.25, 10, 20'000'000),
            "evaluating   25 %  30.0s left  memory 20.0 MB");
  EXPECT_EQ(progress_text("evaluating", 0, 10, 20'000'000), "evaluating    0 %  memory 20.0 MB");
}

TEST(Errors, HelpStandsUnderTheMessage) {
  EXPECT_EQ(to_text(Error(ErrorCode::kUsage, "what", "one\ntwo")), "error: what\nhelp: one\n      two\n");
  EXPECT_EQ(to_text(Error(ErrorCode::kUsage, "what")), "error: what\n");
}

TEST(Plan, ALineEndInANameStaysInItsLine) {
  PlanReport report;
  report.notes = {"model.a\nerror: b is left alone"};
  report.problems.push_back(
      {.rule = "x", .reader = "vLLM", .fatal = true, .message = "a\nb", .fix = "f", .modules = {}});
  const std::string text = to_text(report);
  EXPECT_NE(text.find("note: model.a\\x0Aerror: b is left alone\n"), std::string::npos) << text;
  EXPECT_NE(text.find("error: vLLM: a\\x0Ab\n"), std::string::npos) << text;
}

TEST(Plan, TellsWhoLoadsTheResult) {
  PlanReport report;
  report.loads_in = {"Transformers 5.17.0"};
  report.fails_in = {"vLLM 0.32.0"};
  report.problems.push_back(
      {.rule = "x", .reader = "vLLM 0.32.0", .fatal = true, .message = "m", .fix = "f", .modules = {}});
  const std::string text = to_text(report);
  EXPECT_NE(text.find("error: vLLM 0.32.0: m\n  help: f\n"), std::string::npos);
  EXPECT_NE(text.find("loads in Transformers 5.17.0\ndoes NOT load in vLLM 0.32.0\n"), std::string::npos);
}

}  // namespace
}  // namespace tersor
