#include "tersor/modeling/evaluation_memory.h"

#include "temp_folder.h"
#include "toy_checkpoint.h"
#include <gtest/gtest.h>

namespace tersor {
namespace {

constexpr size_t kWindow = 8;  // so that weights outweigh activations
const toy::Sizes kSizes{.hidden = 256, .intermediate = 1024};

uint64_t needed(const std::vector<toy::Tensor>& tensors, MatmulPrecision precision) {
  const TempFolder folder;
  toy::write_checkpoint(folder.path(), toy::llama_config(kSizes), tensors);
  const auto backend = make_cpu_backend(precision, 1);
  return evaluation_memory(Model(open_checkpoint(folder.path()), *backend), kWindow);
}

// The back end keeps bf16 as it is: what is stored in f32 takes two bytes a weight more in its layer, and
// what is loaded beside it twice as many.
TEST(EvaluationMemoryTest, CountsALayerAsItIsStored) {
  const uint64_t hidden = kSizes.hidden, inner = kSizes.intermediate;
  const uint64_t layer = hidden * (2 * hidden + 2 * kSizes.kv + 3 * inner), loaded = 2 * hidden * inner;
  const uint64_t bf16 = needed(toy::llama_tensors(kSizes), MatmulPrecision::kF32);
  EXPECT_EQ(needed(toy::llama_tensors(kSizes, DType::kF32), MatmulPrecision::kF32),
            bf16 + 2 * (layer + loaded));

  // One layer's projection alone.
  std::vector<toy::Tensor> mixed = toy::llama_tensors(kSizes);
  for (toy::Tensor& t : mixed) {
    if (t.name == "model.layers.1.mlp.up_proj.weight")
      t = toy::random_tensor(t.name, t.shape, 1, DType::kF32);
  }
  EXPECT_EQ(needed(mixed, MatmulPrecision::kF32), bf16 + 2 * (hidden * inner + loaded));
}

}  // namespace
}  // namespace tersor
