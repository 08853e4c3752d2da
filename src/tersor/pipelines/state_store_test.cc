// What comes back of activations that wait: rounded to the store's dtype, wherever they were kept.
#include "tersor/pipelines/state_store.h"

#include <bit>

#include <gtest/gtest.h>

#include "tersor/base/float_types.h"
#include "tersor/modeling/stage_activations.h"

namespace tersor {
namespace {

DeviceTensor put(Backend& backend, const std::vector<float>& values, size_t rows) {
  const DeviceTensor t = backend.allocate(DType::kF32, rows, values.size() / rows);
  backend.copy_in(t, values.data());
  return t;
}

template <typename T>
std::vector<T> get(Backend& backend, const DeviceTensor& t) {
  std::vector<T> values(t.size());
  backend.copy_out(t, values.data());
  return values;
}

// Numbers that bf16 does not hold.
const std::vector<float> kHidden = {1.001f, -3.14159f, 1e-30f, 12345.678f};
const std::vector<float> kRouted = {0.3333f, 7.7777f};

LayerState sample_state(Backend& backend) {
  LayerState state;
  state.sequences = {{.begin = 0, .rows = 2}};
  state.hidden = put(backend, kHidden, 2);
  state.mlp_input = put(backend, kHidden, 2);
  LayerState::ExpertRows rows;
  rows.expert = 3;
  rows.rows = {1};
  rows.row_ids = backend.allocate(DType::kI32, 1, 1);
  backend.copy_in(rows.row_ids, rows.rows.data());
  rows.weights = put(backend, {0.123456f}, 1);
  rows.input = put(backend, kRouted, 1);
  state.routed.push_back(rows);
  return state;
}

// Of what waits in `dtype`.
void expect_rounded(Backend& backend, const DeviceTensor& t, const std::vector<float>& values, DType dtype) {
  ASSERT_EQ(t.dtype, dtype);
  const auto got = get<float>(backend, in_dtype(backend, t, DType::kF32));
  ASSERT_EQ(got.size(), values.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i], dtype == DType::kF32 ? values[i] : to_float(bfloat16_from(values[i]))) << i;
  }
}

TEST(StateStore, GivesTheSameFromMemoryAndFromTheFile) {
  const auto backend = make_cpu_backend(MatmulPrecision::kF32, 1);
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const uint64_t held = (2 * kHidden.size() + kRouted.size()) * dtype_size(dtype) + 2 * 4;
    for (const uint64_t budget : {held, held - 1}) {
      StateStore store(*backend, 1, budget, dtype, std::filesystem::temp_directory_path());
      store.put(0, sample_state(*backend));
      EXPECT_EQ(store.memory(), budget == held ? held : 0);
      EXPECT_EQ(store.spilled(), budget == held ? 0 : held);
      // Rounding what is rounded changes nothing.
      for (int round = 0; round < 2; ++round) {
        LayerState state = store.get(0);
        if (round == 0) widen(*backend, {&state.hidden});
        EXPECT_EQ(state.hidden.dtype, round == 0 ? DType::kF32 : dtype);
        EXPECT_EQ(state.sequences.size(), 1u);
        expect_rounded(*backend, in_dtype(*backend, state.hidden, dtype), kHidden, dtype);
        expect_rounded(*backend, state.mlp_input, kHidden, dtype);
        ASSERT_EQ(state.routed.size(), 1u);
        expect_rounded(*backend, state.routed[0].input, kRouted, dtype);
        // What the router said is kept as it is.
        EXPECT_EQ(get<float>(*backend, state.routed[0].weights), std::vector<float>{0.123456f});
        EXPECT_EQ(get<int32_t>(*backend, state.routed[0].row_ids), std::vector<int32_t>{1});
        EXPECT_FALSE(state.routed[0].inner);
        EXPECT_FALSE(state.q);
        store.put(0, std::move(state));
      }
    }
  }
}

}  // namespace
}  // namespace tersor
