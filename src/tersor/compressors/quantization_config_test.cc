#include "tersor/compressors/quantization_config.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

using ::testing::HasSubstr;

// What compressed-tensors 0.19's QuantizationConfig.model_dump gives for each preset on "Linear" without
// lm_head, with the observers that llm-compressor 0.14 sets and formats that vLLM 0.32 loads.
Json golden() {
  return read_json_file(TERSOR_SOURCE_DIR "/src/tersor/compressors/testdata/preset_configs.json");
}

QuantizationConfig preset_config(const std::string& name) {
  QuantizationConfig config;
  config.groups.push_back(*preset_scheme(name));
  config.groups[0].targets = {"Linear"};
  config.ignore = {"lm_head"};
  return config;
}

QuantizationConfig read(const std::string& text) {
  return quantization_config_from_json(parse_json(text, "config.json"), "config.json");
}

QuantizationArgs read_args(const std::string& text) {
  return args_from_json(parse_json(text, "config.json"), "config.json", "weights");
}

// The error's message and help, one below the other.
template <typename F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
    return fmt::format("{}\n{}", e.what(), e.help());
  }
  return "no error";
}

// A config with one group whose weights are the given object.
std::string with_weights(const std::string& weights) {
  return R"({"config_groups": {"group_0": {"targets": ["Linear"], "weights": )" + weights + "}}}";
}

TEST(QuantizationConfig, PresetsAreWrittenAsCompressedTensorsWritesThem) {
  const Json all = golden();
  size_t compared = 0;
  for (const std::string& name : preset_scheme_names()) {
    if (name == "UNQUANTIZED") continue;
    ASSERT_TRUE(all.contains(name)) << name;
    const Json written = quantization_config_to_json(preset_config(name));
    EXPECT_EQ(written, all[name]) << name << " differs: " << Json::diff(all[name], written).dump(1);
    ++compared;
  }
  EXPECT_EQ(compared, all.size());
}

TEST(QuantizationConfig, PresetsSurviveARoundTrip) {
  for (const std::string& name : preset_scheme_names()) {
    SCOPED_TRACE(name);
    if (name == "UNQUANTIZED") continue;
    const QuantizationConfig config = preset_config(name);
    const Json json = quantization_config_to_json(config);
    const QuantizationConfig back = quantization_config_from_json(json, "config.json");
    QuantizationScheme expected = config.groups[0];
    expected.format = format_of(expected);
    ASSERT_EQ(back.groups.size(), 1u);
    EXPECT_EQ(back.groups[0], expected);
    EXPECT_EQ(back.ignore, config.ignore);
    EXPECT_EQ(back.version, kLayoutVersion);
    EXPECT_EQ(quantization_config_to_json(back), json);
  }
}

TEST(QuantizationConfig, SeveralFormatsAreMixedPrecision) {
  QuantizationConfig config = preset_config("W4A16");
  config.groups.push_back(*preset_scheme("W8A8"));
  config.groups[1].targets = {"re:.*mlp.*"};
  Json json = quantization_config_to_json(config);
  EXPECT_EQ(json["format"], "mixed-precision");
  EXPECT_EQ(json["config_groups"]["group_0"]["format"], "pack-quantized");
  EXPECT_EQ(json["config_groups"]["group_1"]["format"], "int-quantized");
  EXPECT_EQ(quantization_config_from_json(json, "config.json").groups[1].format, Format::kInt);

  config.groups[1].weights.reset();
  config.groups[1].input_activations.reset();
  json = quantization_config_to_json(config);
  EXPECT_EQ(json["format"], "pack-quantized") << "an unquantized group adds no format";
  EXPECT_EQ(json["config_groups"]["group_1"]["format"], "dense");
}

TEST(QuantizationConfig, GroupsKeepTheirOrderBeyondTen) {
  QuantizationConfig config;
  for (int i = 0; i < 12; ++i) {
    config.groups.push_back(*preset_scheme("W8A16"));
    config.groups.back().targets = {fmt::format("layer{}", i)};
  }
  const QuantizationConfig back =
      quantization_config_from_json(quantization_config_to_json(config), "config.json");
  ASSERT_EQ(back.groups.size(), 12u);
  for (int i = 0; i < 12; ++i) EXPECT_EQ(back.groups[i].targets[0], fmt::format("layer{}", i));
}

TEST(QuantizationConfig, KvCacheSchemeStandsAlone) {
  QuantizationConfig config;
  config.kv_cache_scheme = preset_scheme("FP8")->input_activations;
  const Json json = quantization_config_to_json(config);
  EXPECT_EQ(json["format"], "dense");
  EXPECT_EQ(json["kv_cache_scheme"]["observer"], "static_minmax");
  EXPECT_EQ(quantization_config_from_json(json, "config.json").kv_cache_scheme, config.kv_cache_scheme);
}

TEST(QuantizationConfig, ReadsWhatOlderWritersOmit) {
  const QuantizationConfig config = read(R"({
    "quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "frozen",
    "run_compressed": true, "sparsity_config": {"format": "dense"}, "ignore": null,
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 128}}}})");
  ASSERT_EQ(config.groups.size(), 1u);
  QuantizationScheme expected = *preset_scheme("W4A16");
  expected.targets = {"Linear"};
  expected.format = Format::kPack;
  expected.weights->observer.reset();
  EXPECT_EQ(config.groups[0], expected);
  EXPECT_TRUE(config.ignore.empty());
  EXPECT_EQ(config.version, "");
}

TEST(QuantizationConfig, ReadsPresetNamesAsGroups) {
  const QuantizationConfig config =
      read(R"({"config_groups": {"fp8_block": ["Linear", "re:.*down_proj"]}, "format": "float-quantized"})");
  ASSERT_EQ(config.groups.size(), 1u);
  EXPECT_EQ(config.groups[0].weights, preset_scheme("FP8_BLOCK")->weights);
  EXPECT_EQ(config.groups[0].targets.size(), 2u);
  EXPECT_THAT(error_of([] { read(R"({"config_groups": {"W4A61": ["Linear"]}})"); }),
              HasSubstr("did you mean `W4A16`"));
}

TEST(QuantizationArgsJson, StrategyAndGroupSizeTellEachOther) {
  EXPECT_EQ(read_args("{}").strategy, Strategy::kTensor);
  EXPECT_EQ(read_args("{}").num_bits, 8);
  EXPECT_EQ(read_args(R"({"group_size": 32})").strategy, Strategy::kGroup);
  EXPECT_EQ(read_args(R"({"group_size": 32.0})").group_size, 32);
  const QuantizationArgs channel = read_args(R"({"group_size": -1})");
  EXPECT_EQ(channel.strategy, Strategy::kChannel);
  EXPECT_EQ(channel.group_size, std::nullopt);
  EXPECT_EQ(read_args(R"({"group_size": -1, "strategy": "CHANNEL"})"), channel);
}

TEST(QuantizationArgsJson, OlderSpellingsAreRead) {
  EXPECT_EQ(
      read_args(R"({"type": "FLOAT", "num_bits": 4, "group_size": 32, "scale_dtype": "uint8"})").scale_dtype,
      DType::kU8);
  const std::array<int64_t, 2> block = {128, 64};
  EXPECT_EQ(
      read_args(R"({"type": "float", "strategy": "block", "block_structure": "128x64"})").block_structure,
      block);
  EXPECT_EQ(read_args(R"({"group_size": 32, "actorder": "weight"})").actorder, ActOrder::kStatic);
  EXPECT_EQ(read_args(R"({"group_size": 32, "actorder": true})").actorder, ActOrder::kGroup);
  EXPECT_EQ(read_args(R"({"group_size": 32, "actorder": false})").actorder, std::nullopt);
}

TEST(QuantizationArgsJson, ZeroPointTypeOnlyWhenAsymmetric) {
  EXPECT_EQ(read_args(R"({"zp_dtype": "torch.int8"})").zp_dtype, std::nullopt);
  const QuantizationArgs asymmetric = read_args(R"({"symmetric": false})");
  EXPECT_EQ(asymmetric.zp_dtype, DType::kI8);
  EXPECT_EQ(args_to_json(asymmetric)["zp_dtype"], "torch.int8");
}

TEST(QuantizationArgsJson, ObserverArgumentsKeepTheirKind) {
  const Json json =
      args_to_json(read_args(R"({"observer": "mse", "observer_kwargs": {"grid": 100.0, "norm": 2.4}})"));
  EXPECT_EQ(json["observer_kwargs"].dump(), R"({"grid":100,"norm":2.4})");
}

TEST(QuantizationConfig, ErrorsNameFileKeyAndValue) {
  struct Case {
    std::string text, message;
  };
  const Case cases[] = {
      {"[]", "config.json: quantization_config: expected an object, found an array of 0"},
      {"{}", "quantization_config.config_groups: expected an object, found null"},
      {R"({"quant_method": "gptq"})", "quant_method: expected compressed-tensors, found gptq"},
      {R"({"config_groups": {}, "quantization_status": "done"})",
       "quantization_status: expected initialized"},
      {R"({"config_groups": {}, "format": "packed"})",
       "format: expected the name of a format, found \"packed\""},
      {R"({"config_groups": {}, "format": "marlin-24"})", "marlin-24 is not supported"},
      {R"({"config_groups": {}, "sparsity_config": {"format": "sparse-24-bitmask"}})",
       "sparsity_config.format: sparse checkpoints are not supported"},
      {R"({"config_groups": {}, "transform_config": {"config_groups": {"R1": {}}}})",
       "transform_config.config_groups: rotated checkpoints are not supported"},
      {R"({"config_groups": {}, "ignore": "lm_head"})",
       "ignore: expected an array of strings, found \"lm_head\""},
      {R"({"config_groups": {}, "ignore": ["a", 1]})", "ignore[1]: expected a string, found 1"},
      {R"({"config_groups": {"g": 1}})", "config_groups.g: expected an object, found 1"},
      {R"({"config_groups": {"g": {"weights": null}}})",
       "config_groups.g.targets: expected an array of strings"},
      {R"({"config_groups": {"g": {"targets": [], "weight": {}}}})",
       "config_groups.g.weight: unknown key\ndid you mean `weights`?"},
      {R"({"config_groups": {"g": {"targets": [], "format": "mixed-precision"}}})",
       "config_groups.g.format: expected the name of a format"},
      {R"({"config_groups": {"g": {"targets": [], "input_activations": {"strategy": "channel"}}}})",
       "config_groups.g.input_activations"},
      {with_weights(R"({"num_bit": 4})"),
       "quantization_config.config_groups.group_0.weights.num_bit: unknown key\ndid you mean `num_bits`?"},
      {with_weights(R"({"num_bits": "four"})"), "weights.num_bits: expected an integer, found \"four\""},
      {with_weights(R"({"num_bits": 4.5})"), "weights.num_bits: expected an integer, found 4.5"},
      {with_weights(R"({"num_bits": 1e300})"), "weights.num_bits: expected an integer"},
      {with_weights(R"({"num_bits": 0})"), "weights.num_bits: expected 1 to 32 bits, found 0"},
      {with_weights(R"({"num_bits": 18446744073709551615})"), "weights.num_bits: expected an integer"},
      {with_weights(R"({"type": "bfloat"})"),
       "weights.type: expected \"int\" or \"float\", found \"bfloat\""},
      {with_weights(R"({"symmetric": 1})"), "weights.symmetric: expected true or false, found 1"},
      {with_weights(R"({"group_size": -7})"), "weights.group_size: expected a positive group size"},
      {with_weights(R"({"group_size": 0})"), "weights.group_size: expected a positive group size"},
      {with_weights(R"({"strategy": "rows"})"), "weights.strategy: expected tensor, channel"},
      {with_weights(R"({"strategy": "group"})"), "config_groups.group_0.weights"},
      {with_weights(R"({"block_structure": "128x"})"), "weights.block_structure: expected [rows, columns]"},
      {with_weights(R"({"block_structure": "99999999999999999999x1"})"), "weights.block_structure: expected"},
      {with_weights(R"({"block_structure": [128]})"), "weights.block_structure: expected [rows, columns]"},
      {with_weights(R"({"block_structure": [128, -1]})"),
       "weights.block_structure: expected [rows, columns]"},
      {with_weights(R"({"block_structure": [128, "a"]})"), "weights.block_structure[1]: expected an integer"},
      {with_weights(R"({"dynamic": "global"})"), "weights.dynamic: expected true, false or \"local\""},
      {with_weights(R"({"actorder": "rows"})"), "weights.actorder: expected \"static\""},
      {with_weights(R"({"scale_dtype": "torch.nope"})"), "weights.scale_dtype: expected a dtype"},
      {with_weights(R"({"observer": 3})"), "weights.observer: expected a string, found 3"},
      {with_weights(R"({"observer_kwargs": {"norm": "two"}})"),
       "weights.observer_kwargs.norm: expected a number, found \"two\""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const std::string error = error_of([&] { read(c.text); });
    EXPECT_THAT(error, HasSubstr(c.message));
    EXPECT_THAT(error, HasSubstr("config.json: quantization_config"));
  }
}

// Every value of a good config replaced by every kind of JSON value: an error or a config, nothing else.
TEST(QuantizationConfig, NoValueInAnyPlaceBreaksTheReader) {
  const std::vector<Json> values = {nullptr,
                                    true,
                                    -1,
                                    0,
                                    3,
                                    uint64_t{18446744073709551615u},
                                    1e308,
                                    "",
                                    "x",
                                    std::string(100, 'x'),
                                    Json::array(),
                                    Json::array({1, 2}),
                                    Json::object(),
                                    {{"a", 1}}};
  const Json all = golden();
  size_t refused = 0, taken = 0;
  for (const char* preset : {"FP8_BLOCK", "NVFP4", "W4A16_ASYM"}) {
    const Json flat = all[preset].flatten();
    for (const auto& [pointer, unused] : flat.items()) {
      for (const Json& value : values) {
        for (Json::json_pointer at(pointer); !at.empty(); at.pop_back()) {
          Json config = all[preset];
          config[at] = value;
          try {
            quantization_config_to_json(quantization_config_from_json(config, "config.json"));
            ++taken;
          } catch (const Error& e) {
            ASSERT_EQ(e.code(), ErrorCode::kInput) << at << " = " << value << ": " << e.what();
            ++refused;
          }
        }
      }
    }
  }
  EXPECT_GT(refused, 100u);
  EXPECT_GT(taken, 100u);
}

}  // namespace
}  // namespace tersor
