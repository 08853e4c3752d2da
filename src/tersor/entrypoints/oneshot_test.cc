// The whole job on small checkpoints: same bytes for every number of threads and after every kill.
#include "tersor/entrypoints/oneshot.h"

#include <csignal>
#include <tuple>

#include "temp_folder.h"
#include "toy_checkpoint.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tersor/base/error.h"
#include "tersor/entrypoints/plan.h"
#include "tersor/entrypoints/verify.h"
#include "tersor/io/output_folder.h"

namespace tersor {
namespace {

class OneshotTest : public testing::Test {
 protected:
  void SetUp() override {
    toy::write_checkpoint(folder_ / "model", toy::llama_config(sizes_), toy::llama_tensors(sizes_), 3);
    request_.model = folder_ / "model";
    request_.scheme = "W4A16";
    request_.ignore = {"lm_head"};
    request_.group_size = 64;
    request_.threads = 2;
  }

  OneshotOptions to(const std::string& name) const {
    OneshotOptions options;
    options.output = folder_ / name;
    return options;
  }

  std::map<std::string, std::string> compress(const std::string& name) {
    oneshot(request_, to(name));
    return toy::read_folder(folder_ / name);
  }

  Error error_of(const OneshotOptions& options) const {
    try {
      oneshot(request_, options);
    } catch (const Error& e) {
      return e;
    }
    return {ErrorCode::kRuntime, "no error"};
  }

  TempFolder folder_;
  toy::Sizes sizes_;
  CompressionRequest request_;
};

TEST_F(OneshotTest, WritesWhatThePlanPromises) {
  for (const char* scheme :
       {"W4A16", "W4A16_ASYM", "W8A8", "W3A16", "W8A16", "FP8_DYNAMIC", "NVFP4A16", "MXFP4", "MXFP8"}) {
    request_.scheme = scheme;
    request_.group_size.reset();
    if (std::string(scheme).find("A16") == 2) request_.group_size = 64;
    const PlanReport planned = plan(request_);
    EXPECT_TRUE(planned.loadable) << scheme;
    uint64_t bytes = 0;
    for (const auto& [name, text] : compress(scheme)) bytes += text.size();
    EXPECT_EQ(bytes, planned.output_bytes) << scheme;
    const VerifyReport verified = verify(folder_ / scheme, request_.model);
    EXPECT_TRUE(verified.failures.empty()) << scheme << ": " << verified.failures.front();
    EXPECT_EQ(verified.modules.size(), 7 * sizes_.layers);
    EXPECT_FALSE(std::filesystem::exists(folder_ / (std::string(scheme) + ".partial")));
  }
}

TEST_F(OneshotTest, AllExpertsOfADenseModelAreRefused) {
  request_.calibration.calibrate_all_experts = true;
  Error refused = error_of(to("out"));
  EXPECT_EQ(refused.code(), ErrorCode::kUsage);
  EXPECT_NE(std::string(refused.what()).find("needs no calibration data"), std::string::npos)
      << refused.what();
  request_.method = "gptq";
  refused = error_of(to("out"));
  EXPECT_EQ(refused.code(), ErrorCode::kUsage);
  EXPECT_NE(std::string(refused.what()).find("a model without routed experts"), std::string::npos)
      << refused.what();
}

TEST_F(OneshotTest, AsymmetricCalibrationNeedsErrorsThatArePassedOn) {
  request_.asymmetric_calibration = true;
  EXPECT_EQ(error_of(to("out")).help(), "add `--method gptq`");
  request_.method = "gptq";
  request_.calibration.propagate_error = false;
  EXPECT_THAT(error_of(to("out")).what(), ::testing::HasSubstr("exclude each other"));
  request_.calibration.propagate_error = true;
  request_.calibration.sequential_scope = "layer";
  const Error refused = error_of(to("out"));
  EXPECT_EQ(refused.code(), ErrorCode::kUsage);
  EXPECT_THAT(refused.help(), ::testing::HasSubstr("--sequential-scope stage"));
}

TEST_F(OneshotTest, ShardsWithoutAnIndexGetOne) {
  const auto with_index = compress("with");
  std::filesystem::remove(folder_ / "model" / "model.safetensors.index.json");
  const uint64_t planned = plan(request_).output_bytes;
  const auto without = compress("without");
  EXPECT_EQ(without, with_index);
  uint64_t bytes = 0;
  for (const auto& [name, text] : without) bytes += text.size();
  EXPECT_EQ(bytes, planned);
  EXPECT_TRUE(verify(folder_ / "without", request_.model).failures.empty());
}

TEST_F(OneshotTest, AFileOfAnotherNameGetsAnIndex) {
  toy::write_checkpoint(folder_ / "other", toy::llama_config(sizes_), toy::llama_tensors(sizes_));
  std::filesystem::rename(folder_ / "other" / "model.safetensors", folder_ / "other" / "weights.safetensors");
  request_.model = folder_ / "other";
  EXPECT_TRUE(compress("out").contains("model.safetensors.index.json"));
}

TEST_F(OneshotTest, AnIncompleteSourceIsRefused) {
  auto tensors = toy::llama_tensors(sizes_);
  std::erase_if(tensors,
                [](const toy::Tensor& t) { return t.name.ends_with("layers.1.self_attn.q_proj.weight"); });
  toy::write_checkpoint(folder_ / "model", toy::llama_config(sizes_), tensors, 3);
  const Error error = error_of(to("out"));
  EXPECT_EQ(error.code(), ErrorCode::kPlanRefused);
  EXPECT_NE(std::string(error.what()).find("lacks model.layers.1.self_attn.q_proj.weight"), std::string::npos)
      << error.what();
  request_.allow_unloadable = true;
  EXPECT_FALSE(compress("out").empty());
}

TEST_F(OneshotTest, PartsAreNamedInAnyReadersSpelling) {
  Json config = toy::llama_config(sizes_);
  auto tensors = toy::llama_tensors(sizes_);
  tensors.push_back(toy::random_tensor("visual.blocks.0.attn.qkv.weight", {128, 128}, 7));
  request_.ignore = {"re:.*lm_head", "re:visual.*", "re:model.visual.*",
                     "re:model\\.language_model\\..*q_proj$", "re:.*[kv]_proj$"};
  toy::write_checkpoint(folder_ / "model", config, tensors, 3);
  EXPECT_EQ(error_of(to("out")).code(), ErrorCode::kUsage);  // a model of one part has one spelling
  config["vision_config"] = Json::object({{"depth", 1}});
  toy::write_checkpoint(folder_ / "model", config, tensors, 3);
  compress("out");
  const VerifyReport verified = verify(folder_ / "out", request_.model);
  EXPECT_TRUE(verified.failures.empty());
  EXPECT_EQ(verified.modules.size(), 4 * sizes_.layers);  // o_proj and the MLP
}

TEST_F(OneshotTest, SameBytesForEveryNumberOfThreads) {
  for (const char* scheme : {"W4A16", "NVFP4A16"}) {
    request_.scheme = scheme;
    if (std::string(scheme) == "NVFP4A16") request_.group_size.reset();
    request_.threads = 1;
    const auto one = compress(std::string(scheme) + "1");
    request_.threads = 5;
    EXPECT_EQ(compress(std::string(scheme) + "5"), one);
  }
}

// Runs the compression in a child that kills itself at its `calls`-th progress report of the phase that
// compresses: after `calls` - 1 pieces. True when it was killed.
bool run_and_die(const CompressionRequest& request, const std::string& output, int calls) {
  const pid_t child = ::fork();
  if (child == 0) {
    OneshotOptions options;
    options.output = output;
    options.progress_interval = 0;  // a report after every piece
    options.progress = [&](const RunProgress& p) {
      if (p.phase == "compressing" && --calls == 0) ::raise(SIGKILL);
    };
    try {
      oneshot(request, options);
    } catch (...) {
      ::_exit(9);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  return WIFSIGNALED(status);
}

TEST_F(OneshotTest, AKillAtAnyPieceCostsOnlyThatPiece) {
  for (const char* scheme : {"W4A16", "NVFP4A16"}) {
    request_.scheme = scheme;
    if (std::string(scheme) == "NVFP4A16") request_.group_size.reset();
    const std::string base = scheme;
    const auto uninterrupted = compress(base);
    int kills = 0;
    for (int calls = 1;; ++calls) {
      const std::string name = base + "-" + std::to_string(calls);
      if (!run_and_die(request_, folder_ / name, calls)) break;
      ++kills;
      EXPECT_FALSE(std::filesystem::exists(folder_ / name));
      const CompressionSummary resumed = oneshot(request_, to(name));
      if (calls > 5) {
        EXPECT_GT(resumed.resumed_bytes, 0u);
      }
      ASSERT_EQ(toy::read_folder(folder_ / name), uninterrupted) << calls;
    }
    EXPECT_GT(kills, 15);
  }
}

TEST_F(OneshotTest, KilledAgainAndAgainItStillArrives) {
  const auto uninterrupted = compress("once");
  int kills = 0;
  while (run_and_die(request_, folder_ / "often", 5)) ASSERT_LT(++kills, 100);
  EXPECT_GT(kills, 2);
  EXPECT_EQ(toy::read_folder(folder_ / "often"), uninterrupted);
}

TEST_F(OneshotTest, DamagedPiecesAreDoneAgain) {
  const auto uninterrupted = compress("once");
  ASSERT_TRUE(run_and_die(request_, folder_ / "damaged", 15));
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "damaged.partial")) {
    if (entry.path().extension() != ".safetensors") continue;
    std::string text = read_file(entry.path(), UINT64_MAX);
    for (size_t at = 2000; at < text.size(); at += 997) text[at] = static_cast<char>(text[at] + 1);
    write_file_atomically(entry.path(), text);
  }
  EXPECT_EQ(compress("damaged"), uninterrupted);
}

TEST_F(OneshotTest, AnUnfinishedRunOfAnotherRecipeIsNotMixedIn) {
  ASSERT_TRUE(run_and_die(request_, folder_ / "out", 8));
  request_.group_size = 32;
  const Error refused = error_of(to("out"));
  EXPECT_EQ(refused.code(), ErrorCode::kUsage);
  EXPECT_NE(std::string(refused.what()).find("unfinished run"), std::string::npos);
  OneshotOptions options = to("out");
  options.overwrite = true;
  oneshot(request_, options);
  EXPECT_EQ(toy::read_folder(folder_ / "out"), compress("fresh"));
}

TEST_F(OneshotTest, AChangedSourceIsNotMixedIn) {
  ASSERT_TRUE(run_and_die(request_, folder_ / "out", 8));
  toy::write_checkpoint(folder_ / "model", toy::llama_config(sizes_), toy::llama_tensors(sizes_), 3);
  EXPECT_EQ(error_of(to("out")).code(), ErrorCode::kUsage);
}

TEST_F(OneshotTest, TwoRunsExcludeEachOther) {
  const OutputFolder held(folder_ / "out", false);
  const Error refused = error_of(to("out"));
  EXPECT_EQ(refused.code(), ErrorCode::kRuntime);
}

TEST_F(OneshotTest, AnExistingOutputIsKept) {
  const auto first = compress("out");
  request_.group_size = 32;
  EXPECT_EQ(error_of(to("out")).code(), ErrorCode::kUsage);
  EXPECT_EQ(toy::read_folder(folder_ / "out"), first);
  OneshotOptions options = to("out");
  options.overwrite = true;
  oneshot(request_, options);
  EXPECT_NE(toy::read_folder(folder_ / "out"), first);
}

TEST_F(OneshotTest, TheSourceFolderIsNeverWrittenTo) {
  const auto before = toy::read_folder(folder_ / "model");
  EXPECT_EQ(error_of(to("model")).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of(to("model/out")).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of(to("model/../model/x")).code(), ErrorCode::kUsage);
  EXPECT_EQ(toy::read_folder(folder_ / "model"), before);
}

TEST_F(OneshotTest, NonFiniteWeightsAreNamed) {
  auto tensors = toy::llama_tensors(sizes_);
  for (auto& t : tensors) {
    if (t.name == "model.layers.1.mlp.up_proj.weight")
      std::tie(t.bytes[600], t.bytes[601]) = std::pair(std::byte{0xC0}, std::byte{0x7F});
  }
  toy::write_checkpoint(folder_ / "model", toy::llama_config(sizes_), tensors, 3);
  for (const char* scheme : {"W4A16", "NVFP4A16"}) {
    request_.scheme = scheme;
    if (std::string(scheme) == "NVFP4A16") request_.group_size.reset();
    const Error error = error_of(to(scheme));
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what())
                  .find("`model.layers.1.mlp.up_proj.weight` in " + (folder_ / "model/model-0000").string()),
              std::string::npos)
        << error.what();
    // Gate and up are stacked: one without the other would not load.
    EXPECT_NE(
        error.help().find("`--ignore model.layers.1.mlp.gate_proj --ignore model.layers.1.mlp.up_proj`"),
        std::string::npos)
        << error.help();
    EXPECT_FALSE(std::filesystem::exists(folder_ / scheme));
    // Nothing is left that would stand in the way once the source is mended.
    EXPECT_FALSE(std::filesystem::exists(folder_ / (std::string(scheme) + ".partial")));
  }
}

// The range of an asymmetric scheme is twice the largest weight: beyond what the scale's dtype holds.
TEST_F(OneshotTest, WeightsTooLargeForTheirSchemeAreNamed) {
  auto tensors = toy::llama_tensors(sizes_, DType::kF16);
  for (auto& t : tensors) {
    if (t.name != "model.layers.0.mlp.down_proj.weight") continue;
    const uint16_t most = float16_from(65504).bits, least = float16_from(-65504).bits;
    std::memcpy(&t.bytes[256], &most, 2);
    std::memcpy(&t.bytes[258], &least, 2);
  }
  toy::write_checkpoint(folder_ / "model", toy::llama_config(sizes_), tensors, 3);
  request_.scheme = "W4A16_ASYM";
  const Error error = error_of(to("out"));
  EXPECT_EQ(error.code(), ErrorCode::kInput);
  EXPECT_THAT(error.what(), ::testing::HasSubstr("`model.layers.0.mlp.down_proj.weight` in "));
  EXPECT_THAT(error.what(), ::testing::HasSubstr("values too large for int4 group 64 asymmetric"));
  EXPECT_THAT(error.help(), ::testing::HasSubstr("`--ignore model.layers.0.mlp.down_proj`"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  request_.scheme = "W4A16";
  oneshot(request_, to("out"));
  EXPECT_TRUE(verify(folder_ / "out", request_.model).failures.empty());
}

TEST_F(OneshotTest, ARecipeThatQuantizesNothingSaysWhy) {
  request_.ignore.clear();
  request_.targets = {"lm_head"};
  const Error tied = error_of(to("out"));
  EXPECT_EQ(tied.code(), ErrorCode::kUsage);
  EXPECT_THAT(tied.what(), ::testing::HasSubstr("no module of this checkpoint: lm_head: tied to "));
  request_.targets.clear();
  request_.ignore = {"re:.*"};
  EXPECT_THAT(error_of(to("out")).what(), ::testing::HasSubstr(" more: ignored by `re:.*`"));
}

TEST_F(OneshotTest, DataThatNothingLooksAtIsTold) {
  EXPECT_TRUE(plan(request_).notes.empty());
  request_.calibration.dataset = "chats.jsonl";
  request_.calibration.packing = true;
  ASSERT_EQ(plan(request_).notes.size(), 1u);
  EXPECT_THAT(plan(request_).notes[0],
              ::testing::StartsWith("`--dataset` and `--packing` without effect: nothing of the recipe"));
  request_.method = "gptq";
  EXPECT_TRUE(plan(request_).notes.empty());
}

TEST_F(OneshotTest, AFullDiskIsToldAndNothingAppears) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{20000, 20000};  // no file may grow above 20 kB
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const Error error = error_of(to("out"));
    ::_exit(error.code() == ErrorCode::kRuntime &&
                    std::string(error.what()).find("out.partial") != std::string::npos
                ? 0
                : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  oneshot(request_, to("out"));  // with room again, it goes on
}

TEST_F(OneshotTest, GroupsThatDoNotDivideAreRefusedWithSizesThatDo) {
  request_.group_size = 96;
  const Error error = error_of(to("out"));
  EXPECT_EQ(error.code(), ErrorCode::kPlanRefused);
  EXPECT_NE(std::string(error.what()).find("group_size 96 does not divide the 128 columns"),
            std::string::npos)
      << error.what();
  EXPECT_NE(error.help().find("--group-size 128"), std::string::npos) << error.help();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.partial"));
  EXPECT_EQ(error.help().find("or write it all the same"), std::string::npos);
}

// There is no layout for them, which no flag changes, but a plan all the same.
TEST_F(OneshotTest, GroupsThatDoNotDivideAreNeverWritten) {
  request_.group_size = 96;
  request_.allow_unloadable = true;
  const Error error = error_of(to("out"));
  EXPECT_EQ(error.code(), ErrorCode::kPlanRefused);
  EXPECT_NE(error.help().find("`--allow-unloadable` cannot write it"), std::string::npos) << error.help();
  const PlanReport report = plan(request_);
  EXPECT_FALSE(report.loadable);
  EXPECT_FALSE(report.writable);
  EXPECT_EQ(report.problems.at(0).rule, "group-divides-columns");
  EXPECT_FALSE(report.groups.empty());
  EXPECT_EQ(report.output_bytes, 0u);
  EXPECT_NE(to_json(report).find("\"writable\": false"), std::string::npos);
}

TEST_F(OneshotTest, SchemesThatNeedCalibrationNeedAModelThatRuns) {
  request_.group_size.reset();
  const std::filesystem::path config = std::filesystem::path(request_.model) / "config.json";
  std::string text = read_file(config, 1 << 20);
  text.replace(text.find("\"llama\""), 7, "\"marsupial\"");
  write_file_atomically(config, text);
  for (const char* scheme : {"FP8", "NVFP4"}) {
    request_.scheme = scheme;
    const Error error = error_of(to("out"));
    EXPECT_EQ(error.code(), ErrorCode::kPlanRefused) << error.what();
    EXPECT_NE(std::string(error.what()).find("needs to run the model on calibration data"),
              std::string::npos);
  }
}

// On the model that the repository holds, and the text that the program holds.
TEST_F(OneshotTest, CalibratedRunsAreKnownByTheirDataToo) {
  CompressionRequest request;
  request.model = std::string(TERSOR_SOURCE_DIR) + "/models/tiny";
  request.scheme = "W4A16";
  request.group_size = 64;
  request.ignore = {"lm_head"};
  request.method = "gptq";
  request.threads = 1;
  request.calibration.samples = 4;
  request.calibration.max_seq_length = 64;
  OneshotOptions options = to("out");
  options.reports = {folder_ / "report.html", folder_ / "report.json"};
  std::vector<std::string> notices;
  options.notice = [&](const std::string& notice) { notices.push_back(notice); };
  const CompressionSummary summary = oneshot(request, options);
  ASSERT_TRUE(summary.calibration);
  EXPECT_EQ(summary.calibration->tokens, 256u);
  EXPECT_EQ(notices.size(), 1u);  // that no dataset was given
  for (const ClassErrors& c : summary.classes) EXPECT_LT(c.output_error, c.rounding_output_error) << c.name;
  EXPECT_NE(read_file(folder_ / "report.html", 1 << 24).find("down_proj"), std::string::npos);
  EXPECT_NE(read_file(folder_ / "report.json", 1 << 24).find("\"finished\": true"), std::string::npos);
  EXPECT_TRUE(verify((folder_ / "out").string(), request.model, 1).failures.empty());

  EXPECT_TRUE(oneshot(request, options).already_done);
  for (const auto& [samples, state_dtype] : {std::pair{5, "bf16"}, {4, "f32"}}) {
    request.calibration.samples = static_cast<size_t>(samples);
    request.calibration.state_dtype = state_dtype;
    try {
      oneshot(request, options);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUsage);
    }
  }
  request.calibration.state_dtype = "f8";
  for (const bool runs : {false, true}) {
    try {
      runs ? static_cast<void>(oneshot(request, to("f8"))) : static_cast<void>(plan(request));
      FAIL();
    } catch (const Error& e) {
      EXPECT_STREQ(e.what(), "`f8` is no dtype to keep activations in");
      EXPECT_EQ(e.help(), "one of `bf16` and `f32`");
    }
  }
  request.calibration.state_dtype = "bf16";
  request.calibration.max_memory = 1 << 20;
  options.output = (folder_ / "other").string();
  try {
    oneshot(request, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kPlanRefused);
    EXPECT_NE(std::string(e.what()).find("--max-memory 1.05 MB is too little"), std::string::npos)
        << e.what();
  }
}

TEST_F(OneshotTest, FusedExpertsGiveTheTensorsOfSeparateOnes) {
  const Json config = {{"model_type", "qwen3_moe"},
                       {"hidden_size", 64},
                       {"num_hidden_layers", 1},
                       {"moe_intermediate_size", 64}};
  const std::string prefix = "model.layers.0.mlp.experts";
  toy::Tensor gate_up = toy::random_tensor(prefix + ".gate_up_proj", {2, 128, 64}, 1);
  toy::Tensor down = toy::random_tensor(prefix + ".down_proj", {2, 64, 64}, 2);
  std::vector<toy::Tensor> separate;
  auto slice = [&](const toy::Tensor& from, const std::string& name, uint64_t at) {
    toy::Tensor t{name, DType::kBF16, {64, 64}, {}};
    t.bytes.assign(from.bytes.begin() + static_cast<int64_t>(at * 64 * 64 * 2),
                   from.bytes.begin() + static_cast<int64_t>((at + 1) * 64 * 64 * 2));
    separate.push_back(t);
  };
  for (uint64_t e = 0; e < 2; ++e) {
    slice(gate_up, prefix + "." + std::to_string(e) + ".gate_proj.weight", 2 * e);
    slice(gate_up, prefix + "." + std::to_string(e) + ".up_proj.weight", 2 * e + 1);
    slice(down, prefix + "." + std::to_string(e) + ".down_proj.weight", e);
  }
  toy::write_checkpoint(folder_ / "fused", config, {gate_up, down});
  toy::write_checkpoint(folder_ / "separate", config, separate);
  request_.ignore.clear();
  request_.allow_unloadable = true;  // only the bytes matter here
  for (const char* scheme : {"W4A16", "NVFP4A16", "FP8_DYNAMIC"}) {
    request_.scheme = scheme;
    request_.group_size.reset();
    if (std::string(scheme) == "W4A16") request_.group_size = 32;
    request_.model = folder_ / "fused";
    const auto a = compress(std::string("a-") + scheme);
    request_.model = folder_ / "separate";
    const auto b = compress(std::string("b-") + scheme);
    EXPECT_EQ(a.at("model.safetensors"), b.at("model.safetensors")) << scheme;
    EXPECT_TRUE(verify(folder_ / (std::string("a-") + scheme), folder_ / "fused").failures.empty());
  }
}

TEST_F(OneshotTest, WhatIsDoneIsNotDoneAgain) {
  EXPECT_EQ(plan(request_).output_bytes, [&] {
    uint64_t bytes = 0;
    for (const auto& [name, text] : compress("out")) bytes += text.size();
    return bytes;
  }());
  const auto made = toy::read_folder(folder_ / "out");
  ASSERT_TRUE(made.contains(".tersor"));
  const auto time = std::filesystem::last_write_time(folder_ / "out" / "config.json");

  OneshotOptions options = to("out");
  size_t reports = 0;
  options.progress = [&](const RunProgress&) { ++reports; };
  request_.threads = 1;  // changes no byte
  const CompressionSummary again = oneshot(request_, options);
  EXPECT_TRUE(again.already_done);
  EXPECT_EQ(again.output_bytes, plan(request_).output_bytes);
  EXPECT_EQ(reports, 0u);
  EXPECT_EQ(toy::read_folder(folder_ / "out"), made);
  EXPECT_EQ(std::filesystem::last_write_time(folder_ / "out" / "config.json"), time);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.partial"));

  // A run that was killed at its very end has left its working files.
  write_file_atomically(folder_ / "out" / ".tersor-journal", "x");
  EXPECT_TRUE(oneshot(request_, options).already_done);
  EXPECT_EQ(toy::read_folder(folder_ / "out"), made);

  OneshotOptions anew = to("out");
  anew.overwrite = true;
  EXPECT_FALSE(oneshot(request_, anew).already_done);
  EXPECT_EQ(toy::read_folder(folder_ / "out"), made);
}

TEST_F(OneshotTest, WhatElseIsThereIsRefused) {
  compress("out");
  auto expect_refused = [&](const std::string& what) {
    const Error error = error_of(to("out"));
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    EXPECT_NE(error.help().find("--overwrite"), std::string::npos) << error.help();
  };
  const CompressionRequest same = request_;
  request_.scheme = "W8A16";
  expect_refused("is a finished result of another source, recipe or version of tersor");
  request_ = same;

  const std::filesystem::path shard = folder_ / "out" / "model-00002-of-00003.safetensors";
  const std::string bytes = read_file(shard, UINT64_MAX);
  write_file_atomically(shard, bytes.substr(1));
  expect_refused("changed since: model-00002-of-00003.safetensors has");
  std::filesystem::remove(shard);
  expect_refused("changed since: model-00002-of-00003.safetensors is missing");
  write_file_atomically(shard, bytes);
  EXPECT_TRUE(oneshot(request_, to("out")).already_done);
  const std::filesystem::path config = folder_ / "out" / "config.json";
  std::string text = read_file(config, UINT64_MAX);
  text[text.size() / 2] ^= 1;
  write_file_atomically(config, text);
  expect_refused("changed since: config.json was edited");
  std::filesystem::remove(folder_ / "out" / ".tersor");
  expect_refused("exists and is not empty");

  // The same weights from another place are not known to be the same.
  compress("other");
  std::filesystem::copy(folder_ / "model", folder_ / "copy");
  request_.model = folder_ / "copy";
  const Error error = error_of(to("other"));
  EXPECT_NE(std::string(error.what()).find("another source"), std::string::npos) << error.what();
}

}  // namespace
}  // namespace tersor
