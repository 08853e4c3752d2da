// The names that a plan goes by are those of the layers that run.
#include "tersor/modeling/layer_linears.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/modeling/model.h"

namespace tersor {
namespace {

TEST(LayerLinears, AreThoseOfEveryFamily) {
  const std::filesystem::path folder = std::filesystem::path(TERSOR_SOURCE_DIR) / "tests/modeling/golden";
  size_t families = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    ++families;
    const auto backend = make_reference_backend();
    Model model(open_checkpoint(entry.path().string()), *backend);
    for (size_t l = 0; l < model.config().layers.size(); ++l) {
      Layer layer = model.load_layer(l);
      LayerState state;
      for (size_t e = 0; e < layer.experts.size(); ++e) {
        state.routed.emplace_back();
        state.routed.back().expert = e;
      }
      std::map<std::string, std::pair<Stage, int>> expected, got;
      for (const Stage stage : layer_stages(model.config(), layer)) {
        for (const LinearGroup& group : stage_groups(layer, stage, state)) {
          for (const Linear* linear : group.linears) expected[linear->name] = {stage, group.expert};
        }
      }
      for (const LayerLinear& linear : layer_linears(model.config(), l))
        got[linear.name] = {linear.stage, linear.expert};
      EXPECT_EQ(got, expected) << entry.path();
      const std::string attention = attention_module(model.config(), l);
      EXPECT_TRUE(std::ranges::any_of(expected, [&](const auto& linear) {
        return linear.first.starts_with(attention + ".");
      })) << attention;
    }
  }
  EXPECT_GE(families, 21u);
}

}  // namespace
}  // namespace tersor
