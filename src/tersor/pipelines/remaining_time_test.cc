#include "tersor/pipelines/remaining_time.h"

#include <gtest/gtest.h>

namespace tersor {
namespace {

constexpr size_t kLayers = 10;

// Layers of equal cost and a head that has statistics alone.
std::vector<LayerCost> costs() {
  std::vector<LayerCost> costs(kLayers + 1);
  for (size_t l = 0; l < kLayers; ++l) {
    costs[l].at(Stage::kAttentionIn) = {.forward = 100, .statistics = 30, .solve = 20};
    costs[l].at(Stage::kMlpOut) = {.forward = 300, .statistics = 90, .solve = 80};
  }
  costs.back().stages[0] = {.forward = 0, .statistics = 50, .solve = 0};
  return costs;
}

// Seconds per operation of each kind, and of a layer besides.
struct Machine {
  double forward, statistics, solve, overhead;

  double seconds(const WorkCost& cost) const {
    return cost.forward * forward + cost.statistics * statistics + cost.solve * solve;
  }
  void run_layer(RemainingTime& time, const LayerCost& layer) const {
    for (const WorkCost& cost : layer.stages) {
      time.spend(WorkKind::kStatistics, cost.statistics, cost.statistics * statistics);
      time.spend(WorkKind::kSolve, cost.solve, cost.solve * solve);
      time.spend(WorkKind::kForward, cost.forward, cost.forward * forward);
    }
    time.end_layer(overhead);
  }
};

TEST(RemainingTime, IsExactAfterOneLayerOnAMachineOfAnyRates) {
  for (const Machine& machine : {Machine{1, 1, 1, 0}, Machine{0.1, 0.5, 3, 7}, Machine{5, 0.01, 0.2, 0.5}}) {
    const auto layers = costs();
    RemainingTime time(layers, 0);
    EXPECT_FALSE(time.seconds_left());
    for (size_t l = 0; l < kLayers; ++l) {
      machine.run_layer(time, layers[l]);
      double left = machine.seconds(layers.back().sum());
      for (size_t later = l + 1; later < kLayers; ++later)
        left += machine.seconds(layers[later].sum()) + machine.overhead;
      ASSERT_TRUE(time.seconds_left());
      EXPECT_NEAR(*time.seconds_left(), left, 1e-6 * (left + 1)) << l;
    }
  }
}

TEST(RemainingTime, CountsWhatAnEarlierRunHasDoneAsDone) {
  const auto layers = costs();
  RemainingTime time(layers, 7);
  EXPECT_DOUBLE_EQ(time.operations_done(), 7 * 620);
  EXPECT_DOUBLE_EQ(time.operations(), 10 * 620 + 50);
  const Machine machine{1, 2, 3, 4};
  machine.run_layer(time, layers[7]);
  EXPECT_NEAR(*time.seconds_left(), 2 * (400 + 240 + 300 + 4) + 100, 1e-9);
}

TEST(RemainingTime, FollowsAMachineThatBecomesSlower) {
  const auto layers = costs();
  RemainingTime time(layers, 0);
  const Machine fast{1, 1, 1, 0}, slow{2, 2, 2, 0};
  for (size_t l = 0; l < 2; ++l) fast.run_layer(time, layers[l]);
  for (size_t l = 2; l < 8; ++l) slow.run_layer(time, layers[l]);
  const double left = slow.seconds(layers[8].sum()) * 2 + slow.seconds(layers.back().sum());
  EXPECT_NEAR(*time.seconds_left() / left, 1, 0.1);
}

TEST(RemainingTime, LendsARateToWorkThatIsNotMeasuredYet) {
  RemainingTime time(costs(), 0);
  time.spend(WorkKind::kForward, 100, 50);
  EXPECT_NEAR(*time.seconds_left(), (10 * 620 + 50 - 100) * 0.5, 1e-9);
}

}  // namespace
}  // namespace tersor
