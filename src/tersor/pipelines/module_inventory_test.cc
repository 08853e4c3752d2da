#include "tersor/pipelines/module_inventory.h"

#include <algorithm>

#include "temp_folder.h"
#include "toy_checkpoint.h"
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

const SourceModule* find(const ModuleInventory& inventory, const std::string& name) {
  const auto it =
      std::ranges::find(inventory.modules, name, [](const SourceModule& m) { return m.name.name; });
  return it == inventory.modules.end() ? nullptr : &*it;
}

ModuleInventory inventory_of(const Json& config, const std::vector<toy::Tensor>& tensors) {
  const TempFolder folder;
  toy::write_checkpoint(folder.path(), config, tensors);
  return take_inventory(open_checkpoint(folder.path().string()));
}

TEST(Inventory, ListsEveryWeightWithItsClass) {
  const toy::Sizes sizes;
  const auto inventory = inventory_of(toy::llama_config(sizes), toy::llama_tensors(sizes));
  ASSERT_NE(find(inventory, "model.layers.1.self_attn.k_proj"), nullptr);
  EXPECT_EQ(find(inventory, "model.layers.1.self_attn.k_proj")->shape, (Shape{64, 128}));
  EXPECT_EQ(find(inventory, "model.embed_tokens")->name.module_class, ModuleClass::kEmbedding);
  EXPECT_EQ(find(inventory, "model.norm")->name.module_class, ModuleClass::kNorm);
  // Tied: there is no tensor, yet readers have the module.
  const SourceModule* head = find(inventory, "lm_head");
  ASSERT_NE(head, nullptr);
  EXPECT_FALSE(head->has_weight);
  EXPECT_EQ(head->kept_because, "tied to model.embed_tokens");
}

TEST(Inventory, AnUntiedHeadIsAModuleLikeOthers) {
  toy::Sizes sizes;
  sizes.tied = false;
  const auto inventory = inventory_of(toy::llama_config(sizes), toy::llama_tensors(sizes));
  const SourceModule* head = find(inventory, "lm_head");
  ASSERT_NE(head, nullptr);
  EXPECT_TRUE(head->has_weight);
  EXPECT_EQ(head->kept_because, "");
}

TEST(Inventory, SplitsFusedExperts) {
  Json config = {{"model_type", "qwen3_moe"}, {"hidden_size", 32}, {"num_hidden_layers", 1}};
  const auto inventory =
      inventory_of(config, {toy::random_tensor("model.layers.0.mlp.experts.gate_up_proj", {3, 80, 32}, 1),
                            toy::random_tensor("model.layers.0.mlp.experts.down_proj", {3, 32, 40}, 2)});
  const SourceModule* gate = find(inventory, "model.layers.0.mlp.experts.1.gate_proj");
  const SourceModule* up = find(inventory, "model.layers.0.mlp.experts.1.up_proj");
  const SourceModule* down = find(inventory, "model.layers.0.mlp.experts.2.down_proj");
  ASSERT_TRUE(gate && up && down);
  EXPECT_EQ(gate->shape, (Shape{40, 32}));
  EXPECT_EQ(down->shape, (Shape{32, 40}));
  EXPECT_EQ(up->begin - gate->begin, 40u * 32 * 2);
  EXPECT_EQ(gate->unsupported, "");
  EXPECT_EQ(inventory.modules.size(), 3u * 3);
}

TEST(Inventory, TransposedExpertsAreNotSplit) {
  Json config = {{"model_type", "llama4"}, {"hidden_size", 32}};
  const auto inventory =
      inventory_of(config, {toy::random_tensor("l.0.experts.gate_up_proj", {3, 32, 80}, 1)});
  EXPECT_NE(inventory.modules.at(0).unsupported.find("[experts, in, out]"), std::string::npos);
}

TEST(Inventory, KeepsLayersThatPredictFurtherTokens) {
  Json config = {{"model_type", "deepseek_v3"}, {"num_hidden_layers", 2}, {"num_nextn_predict_layers", 1}};
  const auto inventory =
      inventory_of(config, {toy::random_tensor("model.layers.1.mlp.up_proj.weight", {32, 32}, 1),
                            toy::random_tensor("model.layers.2.mlp.up_proj.weight", {32, 32}, 1)});
  EXPECT_EQ(find(inventory, "model.layers.1.mlp.up_proj")->kept_because, "");
  EXPECT_EQ(find(inventory, "model.layers.2.mlp.up_proj")->kept_because, kMtpReason);
  EXPECT_EQ(inventory.mtp_patterns, std::vector<std::string>{R"(re:.*layers\.2\..*)"});
}

TEST(Inventory, RefusesWeightsWithoutElements) {
  for (const Shape& shape : {Shape{0, 32}, Shape{32, 0}, Shape{0}}) {
    try {
      inventory_of({{"model_type", "llama"}},
                   {toy::random_tensor("model.layers.0.mlp.up_proj.weight", shape, 1)});
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(e.what()).find("`model.layers.0.mlp.up_proj.weight` in"), std::string::npos);
      EXPECT_NE(std::string(e.what()).find("model.safetensors has shape [0"),
                shape[0] == 0 ? std::string::npos : 0);
    }
  }
  EXPECT_THROW(
      inventory_of({{"hidden_size", 32}}, {toy::random_tensor("l.0.experts.down_proj", {0, 32, 32}, 1)}),
      Error);
  // What is no weight of a module may be empty: TransformerEngine's _extra_state is.
  EXPECT_TRUE(inventory_of({{"hidden_size", 32}}, {toy::random_tensor("l.0.mlp._extra_state", {0}, 1)})
                  .modules.empty());
}

TEST(Inventory, NamesAllThatIsIgnoredTogether) {
  const toy::Sizes sizes;
  auto tensors = toy::llama_tensors(sizes);
  tensors.push_back(toy::random_tensor("model.layers.0.mlp.experts.1.up_proj.weight", {32, 32}, 1));
  const auto inventory = inventory_of(toy::llama_config(sizes), tensors);
  EXPECT_EQ(flags_to_ignore(inventory, "model.layers.0.self_attn.k_proj"),
            "`--ignore model.layers.0.self_attn.q_proj --ignore model.layers.0.self_attn.k_proj --ignore "
            "model.layers.0.self_attn.v_proj`");
  EXPECT_EQ(flags_to_ignore(inventory, "model.layers.1.mlp.down_proj"),
            "`--ignore model.layers.1.mlp.down_proj`");
  EXPECT_EQ(flags_to_ignore(inventory, "model.layers.0.mlp.experts.1.up_proj"),
            "`--ignore 're:model.layers.0.mlp.experts..*'`");
}

TEST(Inventory, RefusesSizesThatAreNone) {
  const toy::Sizes sizes;
  for (const char* number : {"1E400", "1000000000000000000000000000000", "-4", "-0.5", "\"128\"", "true"}) {
    const TempFolder folder;
    toy::write_checkpoint(folder.path(), toy::llama_config(sizes), toy::llama_tensors(sizes));
    folder.write("config.json", fmt::format(R"({{"model_type": "llama", "hidden_size": {}}})", number));
    try {
      take_inventory(open_checkpoint(folder.path().string()));
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_THAT(e.what(),
                  testing::EndsWith(fmt::format("config.json: `hidden_size` is {}, which is no size",
                                                number[1] == 'E' ? "Infinity" : number)));
    }
    folder.write("config.json",
                 fmt::format(R"({{"model_type": "llama", "model_max_length": {}, "head_dim": null,
        "num_attention_heads": [4, 4]}})",
                             number));
    EXPECT_FALSE(take_inventory(open_checkpoint(folder.path().string())).modules.empty());
  }
}

TEST(Inventory, RefusesWhatIsQuantizedAlready) {
  const toy::Sizes sizes;
  Json config = toy::llama_config(sizes);
  config["quantization_config"] = {{"quant_method", "fp8"}};
  try {
    inventory_of(config, toy::llama_tensors(sizes));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(e.what()).find("`fp8`"), std::string::npos);
  }
  auto tensors = toy::llama_tensors(sizes);
  tensors.push_back(
      toy::random_tensor("model.layers.0.mlp.up_proj.weight_scale_inv", {2, 1}, 1, DType::kF32));
  EXPECT_THROW(inventory_of(toy::llama_config(sizes), tensors), Error);
}

}  // namespace
}  // namespace tersor
