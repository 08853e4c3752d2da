#include "tersor/pipelines/range_exchange.h"

#include <thread>

#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

WorkList one_observation() {
  WorkList list;
  list.items.push_back({.kind = WorkItem::Kind::kObserve});
  list.groups.push_back({.modules = {0}, .passes = 1, .observe = {0}});
  return list;
}

// A thread that waits must not hide why the other one has failed: the pool tells what comes first.
TEST(RangeExchangeTest, ThoseWhoWaitFailByTheFirstCause) {
  const CompressionPlan plan;
  const WorkList list = one_observation();
  RangeExchange exchange(plan, list);
  std::string told;
  std::thread waiting([&] {
    try {
      exchange.before_pass(0, 1);
    } catch (const Error& e) {
      told = e.code() == ErrorCode::kInput ? e.what() : "another code";
      exchange.abandon(std::current_exception());
    }
  });
  exchange.abandon(std::make_exception_ptr(input_error("the weight holds a NaN")));
  waiting.join();
  EXPECT_EQ(told, "the weight holds a NaN");
  exchange.abandon(std::make_exception_ptr(runtime_error("later")));
  EXPECT_THROW(
      {
        try {
          exchange.before_pass(0, 1);
        } catch (const Error& e) {
          EXPECT_STREQ(e.what(), "the weight holds a NaN");
          throw;
        }
      },
      Error);
}

}  // namespace
}  // namespace tersor
