// Reports as files: while the run goes, when it is done, and where none could be written.
#include "tersor/entrypoints/report_file.h"

#include <csignal>

#include "temp_folder.h"
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tersor/base/error.h"
#include "tersor/entrypoints/oneshot.h"
#include "tersor/io/file.h"
#include "tersor/io/json.h"

namespace tersor {
namespace {

constexpr uint64_t kMost = 1 << 24;

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path, kMost), path.string());
}

CompressionRequest gptq_of_tiny() {
  CompressionRequest request;
  request.model = std::string(TERSOR_SOURCE_DIR) + "/models/tiny";
  request.scheme = "W4A16";
  request.ignore = {"lm_head"};
  request.method = "gptq";
  request.threads = 1;
  request.calibration.samples = 4;
  request.calibration.max_seq_length = 64;
  return request;
}

// Runs in a child that kills itself when the third layer begins.
void run_until_the_third_layer(const CompressionRequest& request, const OneshotOptions& options) {
  const pid_t child = ::fork();
  if (child == 0) {
    OneshotOptions killing = options;
    killing.progress_interval = 0;
    killing.progress = [](const RunProgress& p) {
      if (p.at.starts_with("layer 3 ")) ::raise(SIGKILL);
    };
    oneshot(request, killing);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(ReportFile, TellsOfEachLayerWhileTheRunGoesAndOfAllWhenItIsDone) {
  const TempFolder folder;
  const CompressionRequest request = gptq_of_tiny();
  OneshotOptions options;
  options.output = folder / "out";
  options.reports = {folder / "report.json", folder / "report.html"};
  run_until_the_third_layer(request, options);
  EXPECT_FALSE(std::filesystem::exists(folder / "report.json"));
  const Json halfway = read_json(work_report_path(folder / "out.partial"));
  EXPECT_EQ(halfway["finished"], false);
  EXPECT_EQ(halfway["layers_done"], 2);
  EXPECT_EQ(halfway["layers"], 3);
  EXPECT_EQ(halfway["errors_by_layer"].size(), 2u);
  EXPECT_EQ(halfway["modules"].size(), 2u * 7);

  oneshot(request, options);
  const Json report = read_json(folder / "report.json");
  EXPECT_EQ(report["finished"], true);
  EXPECT_EQ(report["layers_done"], 3);
  EXPECT_EQ(report["modules"].size(), 3u * 7);
  EXPECT_EQ(report["data"]["tokens"], 256);
  EXPECT_EQ(report["data"]["hash"], halfway["data"]["hash"]);
  EXPECT_FALSE(report["recipe"].get<std::string>().empty());
  EXPECT_TRUE(report["phases"].contains("solving"));
  uint64_t source = 0, output = 0;
  for (const Json& size : report["sizes"]) {
    source += size["source_bytes"].get<uint64_t>();
    output += size["output_bytes"].get<uint64_t>();
  }
  EXPECT_LE(source, report["source_bytes"].get<uint64_t>());
  EXPECT_LE(output, report["output_bytes"].get<uint64_t>());
  EXPECT_GT(output, 0u);
  for (const Json& module : report["modules"]) {
    EXPECT_GT(module["output_error"].get<double>(), 0) << module;
    EXPECT_LT(module["output_error"].get<double>(), module["rounding_output_error"].get<double>()) << module;
    EXPECT_EQ(module["tokens"], 256);
  }
  // Layers that were finished before the kill are told as they were.
  for (size_t m = 0; m < halfway["modules"].size(); ++m) {
    const Json& before = halfway["modules"][m];
    const auto same = std::ranges::find_if(
        report["modules"], [&](const Json& module) { return module["module"] == before["module"]; });
    ASSERT_NE(same, report["modules"].end());
    EXPECT_EQ(*same, before);
  }
  EXPECT_FALSE(std::filesystem::exists(work_report_path(folder / "out")));
  EXPECT_TRUE(read_file(folder / "report.html", kMost).starts_with("<!DOCTYPE html>"));
}

TEST(ReportFile, PlacesThatCannotHoldItAreToldBeforeTheWork) {
  const TempFolder folder;
  CompressionRequest request = gptq_of_tiny();
  OneshotOptions options;
  options.output = folder / "out";
  std::filesystem::create_directory(folder / "is_a_folder.json");
  for (const std::string name :
       {"no/folder/report.html", "report.txt", "report", "out/report.json", "is_a_folder.json"}) {
    options.reports = {folder / name};
    try {
      oneshot(request, options);
      ADD_FAILURE() << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUsage) << name;
      EXPECT_NE(std::string(e.what()).find(name), std::string::npos) << e.what();
    }
    EXPECT_FALSE(std::filesystem::exists(folder / "out.partial"));
  }
}

TEST(ReportFile, FiguresThatNobodyMeasuredAreNull) {
  CompressionReport report;
  report.model = "m";
  report.linears.push_back({.module = "lm_head", .module_class = "lm_head", .scheme = "W4A16"});
  report.experts.push_back({.layer = 2, .tokens = {5, 0, 7}});
  const Json json = parse_json(to_json(report), "report");
  EXPECT_TRUE(json["modules"][0]["output_error"].is_null());
  EXPECT_TRUE(json["modules"][0]["layer"].is_null());
  EXPECT_EQ(json["experts"][0]["tokens"], (std::vector<uint64_t>{5, 0, 7}));
  EXPECT_TRUE(json["errors_by_layer"].empty());
}

}  // namespace
}  // namespace tersor
