#include "tersor/modeling/layer_ranges.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "tersor/modeling/read_model_config.h"

namespace tersor {
namespace {

TEST(LayerRanges, HoldEveryTensorOfALayerOnce) {
  for (const char* family : {"llama", "deepseek_v3", "starcoder2", "qwen2_5_vl"}) {
    const Checkpoint checkpoint =
        open_checkpoint(std::filesystem::path(TERSOR_SOURCE_DIR) / "tests/modeling/golden" / family);
    const ModelConfig model = read_model_config(checkpoint.config, "config.json");
    for (size_t l = 0; l < model.layers.size(); ++l) {
      const std::string prefix = model.layer_prefix + std::to_string(l) + ".";
      const std::vector<ByteRange> ranges = layer_ranges(checkpoint, model, l);
      uint64_t held = 0, wanted = 0;
      for (const ByteRange& range : ranges) held += range.end - range.begin;
      for (const auto& [name, place] : checkpoint.tensors) {
        if (!name.starts_with(prefix)) continue;
        const TensorInfo& info = checkpoint.info(place);
        wanted += info.bytes();
        EXPECT_EQ(std::ranges::count_if(ranges,
                                        [&](const ByteRange& r) {
                                          return r.shard == place.shard && r.begin <= info.begin &&
                                                 info.end <= r.end;
                                        }),
                  1)
            << family << " " << name;
      }
      EXPECT_GT(wanted, 0u);
      EXPECT_EQ(held, wanted) << family;
      for (size_t i = 1; i < ranges.size(); ++i) {
        EXPECT_TRUE(ranges[i - 1].shard < ranges[i].shard || ranges[i - 1].end < ranges[i].begin);
      }
    }
    EXPECT_TRUE(layer_ranges(checkpoint, model, 1000).empty());
  }
}

}  // namespace
}  // namespace tersor
