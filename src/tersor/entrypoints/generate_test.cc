// generate() and evaluate() on the embedded model: what comes out, and what is refused.
#include "tersor/entrypoints/generate.h"

#include "temp_folder.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/entrypoints/evaluate.h"
#include "tersor/io/file.h"
#include "tersor/io/json.h"

namespace tersor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kTiny = std::string(TERSOR_SOURCE_DIR) + "/models/tiny";

GenerateRequest prompt(const std::string& text) {
  GenerateRequest request;
  request.model = kTiny;
  request.prompt = text;
  request.max_new_tokens = 16;
  request.dtype = "f32";
  request.threads = 1;
  return request;
}

template <typename F>
Error error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  return {ErrorCode::kRuntime, "no error"};
}

TEST(Generate, StreamsWhatItReports) {
  std::string streamed;
  const GenerateReport report = generate(
      prompt("Once upon a time"), {.text = [&](std::string_view piece) { streamed += piece; }, .warn = {}});
  EXPECT_FALSE(report.text.empty());
  EXPECT_EQ(streamed, report.text);
  EXPECT_EQ(report.finish_reason, "length");
  EXPECT_EQ(report.ids.size(), 16u);
  EXPECT_THAT(report.backend, HasSubstr("weights in f32"));
  EXPECT_TRUE(report.warnings.empty());
}

TEST(Generate, EndsAtTheModelsEnd) {
  TempFolder folder;
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy_file(kTiny + "/" + file, folder / file);
  GenerateRequest request = prompt("Once upon a time");
  const GenerateReport whole = generate(request);
  write_file_atomically(folder / "generation_config.json",
                        dump_json({{"eos_token_id", {whole.ids[4], 1'000'000}}}));
  request.model = folder / "";
  const GenerateReport ended = generate(request);
  EXPECT_EQ(ended.finish_reason, "eos");
  EXPECT_LE(ended.ids.size(), 5u);
  EXPECT_EQ(ended.ids.back(), whole.ids[4]);
}

TEST(Generate, WarnsOfPositionsTheModelLacks) {
  GenerateRequest request = prompt("Once");
  request.max_new_tokens = 1'000'000;
  request.stop = {"e"};
  std::vector<std::string> warnings;
  const GenerateReport report =
      generate(request, {.text = {}, .warn = [&](const std::string& w) { warnings.push_back(w); }});
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("is longer than the ")));
  EXPECT_EQ(report.warnings, warnings);
}

TEST(Generate, RefusesWhatMakesNoSense) {
  GenerateRequest request = prompt("Once");
  request.dtype = "f8";
  EXPECT_THAT(error_of([&] { generate(request); }).what(), HasSubstr("`f8` is no dtype"));
  request = prompt("Once");
  request.stop = {""};
  EXPECT_THAT(error_of([&] { generate(request); }).what(), HasSubstr("a stop string is empty"));
  request = prompt("Once");
  request.top_p = 0;
  EXPECT_EQ(error_of([&] { generate(request); }).code(), ErrorCode::kUsage);
  request = prompt("Once");
  request.temperature = -1;
  EXPECT_EQ(error_of([&] { generate(request); }).code(), ErrorCode::kUsage);
}

TEST(Evaluate, RefusesTextsThatPredictNothing) {
  TempFolder folder;
  EvaluateRequest request;
  request.model = kTiny;
  request.dtype = "f32";
  request.text_file = folder / "text";
  EXPECT_EQ(error_of([&] { evaluate(request); }).code(), ErrorCode::kInput);
  write_file_atomically(folder / "text", "");
  EXPECT_THAT(error_of([&] { evaluate(request); }).what(), HasSubstr("is empty"));
  write_file_atomically(folder / "text", "a");
  EXPECT_THAT(error_of([&] { evaluate(request); }).what(), HasSubstr("predict nothing"));
}

TEST(Evaluate, ComparesWithItself) {
  TempFolder folder;
  write_file_atomically(folder / "text", "Once upon a time there was a little cat who lived by the sea.");
  EvaluateRequest request;
  request.model = request.reference = kTiny;
  request.dtype = "f32";
  request.threads = 1;
  request.text_file = folder / "text";
  double last = 0;
  const EvaluateReport report =
      evaluate(request, {.progress = [&](double share, double) { last = share; }, .warn = {}});
  EXPECT_EQ(last, 1);
  EXPECT_GT(report.perplexity, 1);
  EXPECT_EQ(report.reference->perplexity, report.perplexity);
  EXPECT_EQ(report.reference->kl_mean, 0);
  EXPECT_EQ(report.reference->top1_agreement, 1);
}

}  // namespace
}  // namespace tersor
