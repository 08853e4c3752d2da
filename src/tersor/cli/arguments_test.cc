#include "tersor/cli/arguments.h"

#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

Arguments parse(std::vector<const char*> words, std::string* help = nullptr) {
  words.insert(words.begin(), "tersor");
  std::string text;
  Arguments args = parse_arguments(static_cast<int>(words.size()), words.data(), text);
  if (help != nullptr) *help = text;
  return args;
}

Error error_of(const std::vector<const char*>& words) {
  try {
    parse(words);
  } catch (const Error& e) {
    return e;
  }
  return {ErrorCode::kRuntime, "no error"};
}

TEST(Arguments, CompressTakesAllItsFlags) {
  const Arguments args =
      parse({"compress", "--ignore", "lm_head", "MODEL", "-o", "OUT", "--scheme", "W4A16", "--ignore",
             "re:.*gate$", "--group-size", "64", "--tp", "2", "--threads", "3", "--overwrite"});
  EXPECT_EQ(args.command, Command::kCompress);
  EXPECT_EQ(args.request.model, "MODEL");
  EXPECT_EQ(args.output, "OUT");
  EXPECT_EQ(args.request.ignore, (std::vector<std::string>{"lm_head", "re:.*gate$"}));
  EXPECT_EQ(args.request.group_size, 64);
  EXPECT_EQ(args.request.tensor_parallel, 2u);
  EXPECT_EQ(args.request.threads, 3u);
  EXPECT_TRUE(args.overwrite);
  EXPECT_FALSE(args.quiet);
}

TEST(Arguments, BlocksAreRowsAndColumns) {
  using Block = std::array<int64_t, 2>;
  EXPECT_EQ(parse({"plan", "M", "--block-structure", "64,32"}).request.block_structure, (Block{64, 32}));
  EXPECT_EQ(parse({"plan", "M", "--block-structure", "128x128"}).request.block_structure, (Block{128, 128}));
  for (const char* bad : {"64", "64,", ",64", "0,64", "-1,64", "a,b", "64,64,64", "99999999999999999999,1"}) {
    const Error error = error_of({"plan", "M", "--block-structure", bad});
    EXPECT_EQ(error.code(), ErrorCode::kUsage) << bad;
    EXPECT_EQ(error.help(), "give rows and columns: `--block-structure 64,64`") << bad;
  }
}

TEST(Arguments, NumbersOutOfRangeAreNamed) {
  EXPECT_EQ(parse({"plan", "M", "--group-size", "-1"}).request.group_size, -1);
  EXPECT_STREQ(error_of({"plan", "M", "--group-size", "0"}).what(),
               "--group-size: takes a number of columns, or -1 for one scale a row, not `0`");
  for (const char* bad : {"0", "-3", "two", "1.5", "99999999999999999999", ""}) {
    EXPECT_STREQ(error_of({"plan", "M", "--tp", bad}).what(),
                 fmt::format("--tp: takes a whole number of 1 or more, not `{}`", bad).c_str());
  }
  EXPECT_STREQ(error_of({"plan", "M", "--threads", "100000"}).what(),
               "--threads: takes a whole number from 1 to 1024, not `100000`");
}

TEST(Arguments, MisspeltFlagsGetTheirNeighbours) {
  const Error error = error_of({"plan", "M", "--sheme", "W4A16"});
  EXPECT_EQ(error.code(), ErrorCode::kUsage);
  EXPECT_NE(error.help().find("`--scheme`"), std::string::npos) << error.help();
  EXPECT_EQ(error_of({}).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of({"compress", "M"}).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of({"plan", "M", "--threads", "0"}).code(), ErrorCode::kUsage);
}

TEST(Arguments, SuggestionsCountNoDashes) {
  EXPECT_EQ(error_of({"plan", "M", "--frob"}).help(), "`tersor plan --help` lists what there is");
  EXPECT_EQ(error_of({"plan", "M", "--jsn"}).help(),
            "did you mean `--json`? `tersor plan --help` lists what there is");
  EXPECT_EQ(error_of({"compres"}).help(), "did you mean `compress`? `tersor --help` lists what there is");
}

TEST(Arguments, SwitchesHaveTwoSides) {
  EXPECT_EQ(parse({"plan", "M"}).request.calibration.packing, std::nullopt);
  EXPECT_EQ(parse({"plan", "M", "--packing"}).request.calibration.packing, true);
  EXPECT_EQ(parse({"plan", "M", "--no-packing"}).request.calibration.packing, false);
  EXPECT_EQ(error_of({"plan", "M", "--packing", "--no-packing"}).code(), ErrorCode::kUsage);
  EXPECT_TRUE(parse({"plan", "M"}).request.calibration.propagate_error);
  EXPECT_FALSE(parse({"plan", "M", "--no-propagate-error"}).request.calibration.propagate_error);
  std::string help;
  parse({"compress", "--help"}, &help);
  EXPECT_EQ(help.find("{false}"), std::string::npos) << help;
}

TEST(Arguments, GenerateTakesAllItsFlags) {
  const Arguments args = parse({"generate",      "MODEL", "--prompt", "Hello", "--max-new-tokens", "7",
                                "--temperature", "0.5",   "--top-p",  "0.9",   "--seed",           "3",
                                "--stop",        "\n",    "--stop",   "END",   "--dtype",          "f32",
                                "--threads",     "2",     "--json"});
  EXPECT_EQ(args.command, Command::kGenerate);
  EXPECT_EQ(args.generate.model, "MODEL");
  EXPECT_EQ(args.generate.prompt, "Hello");
  EXPECT_EQ(args.generate.max_new_tokens, 7u);
  EXPECT_EQ(args.generate.temperature, 0.5);
  EXPECT_EQ(args.generate.top_p, 0.9);
  EXPECT_EQ(args.generate.seed, 3u);
  EXPECT_EQ(args.generate.stop, (std::vector<std::string>{"\n", "END"}));
  EXPECT_EQ(args.generate.dtype, "f32");
  EXPECT_EQ(args.generate.threads, 2u);
  EXPECT_TRUE(args.json);
  EXPECT_EQ(error_of({"generate", "MODEL"}).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of({"generate", "MODEL", "--prompt", "x", "--temperature", "-1"}).code(),
            ErrorCode::kUsage);
}

TEST(Arguments, EvalTakesAllItsFlags) {
  const Arguments args = parse({"eval", "MODEL", "--text", "FILE", "--window", "512", "--stride", "256",
                                "--reference", "BASE", "--max-memory", "1GiB", "--dtype", "bf16", "--quiet"});
  EXPECT_EQ(args.command, Command::kEval);
  EXPECT_EQ(args.eval.model, "MODEL");
  EXPECT_EQ(args.eval.text_file, "FILE");
  EXPECT_EQ(args.eval.window, 512u);
  EXPECT_EQ(args.eval.stride, 256u);
  EXPECT_EQ(args.eval.reference, "BASE");
  EXPECT_EQ(args.eval.max_memory, 1u << 30);
  EXPECT_EQ(args.eval.dtype, "bf16");
  EXPECT_TRUE(args.quiet);
  EXPECT_EQ(error_of({"eval", "MODEL"}).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of({"eval", "MODEL", "--text", "F", "--max-memory", "much"}).help(),
            "give a number and a unit: `--max-memory 1GiB`, `800MB`");
}

TEST(Arguments, CalibrationKeepsActivationsAsAsked) {
  EXPECT_EQ(parse({"plan", "M"}).request.calibration.state_dtype, "bf16");
  EXPECT_EQ(parse({"plan", "M", "--state-dtype", "f32"}).request.calibration.state_dtype, "f32");
}

TEST(Arguments, TokenizeTakesOneText) {
  Arguments args = parse({"tokenize", "MODEL", "--prompt", "", "--no-special-tokens", "--json"});
  EXPECT_EQ(args.command, Command::kTokenize);
  EXPECT_EQ(args.tokenize.model, "MODEL");
  EXPECT_FALSE(args.text_from_stdin);  // an empty prompt is a prompt
  EXPECT_FALSE(args.tokenize.special_tokens);
  EXPECT_TRUE(args.json);
  args = parse({"tokenize", "MODEL", "--chat"});
  EXPECT_TRUE(args.text_from_stdin);
  EXPECT_TRUE(args.tokenize.chat);
  EXPECT_TRUE(args.tokenize.special_tokens);
  args = parse({"tokenize", "MODEL", "--text", "FILE", "--decode"});
  EXPECT_FALSE(args.text_from_stdin);
  EXPECT_EQ(args.tokenize.file, "FILE");
  EXPECT_TRUE(args.tokenize.decode);
  EXPECT_EQ(error_of({"tokenize", "M", "--text", "FILE", "--prompt", "x"}).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of({"tokenize", "M", "--chat", "--decode"}).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of({"tokenize", "M", "--chat", "--no-special-tokens"}).code(), ErrorCode::kUsage);
}

TEST(Arguments, SampleAndVerboseAreOptional) {
  EXPECT_EQ(parse({"compress", "M", "-o", "O", "--scheme", "W4A16"}).sample, std::nullopt);
  EXPECT_EQ(parse({"compress", "M", "-o", "O", "--scheme", "W4A16", "--sample", "Hello"}).sample, "Hello");
  EXPECT_FALSE(parse({"version"}).verbose);
  EXPECT_TRUE(parse({"version", "--verbose"}).verbose);
  EXPECT_TRUE(parse({"generate", "M", "--prompt", "Hello", "--chat"}).generate.chat);
}

TEST(Arguments, HelpListsTheExitCodes) {
  for (const std::vector<const char*>& words : {std::vector{"--help"}, std::vector{"compress", "--help"}}) {
    std::string help;
    parse(words, &help);
    EXPECT_NE(help.find("4 the plan is refused"), std::string::npos);
  }
}

}  // namespace
}  // namespace tersor
