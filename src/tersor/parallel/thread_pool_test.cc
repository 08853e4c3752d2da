#include "tersor/parallel/thread_pool.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tersor {
namespace {

TEST(ThreadPool, RunsEveryIndexOnce) {
  for (size_t threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int round = 0; round < 50; ++round) {
      std::vector<std::atomic<int>> seen(101);
      pool.parallel_for(seen.size(), [&](size_t i, size_t worker) {
        EXPECT_LT(worker, threads);
        ++seen[i];
      });
      for (auto& s : seen) EXPECT_EQ(s, 1);
    }
  }
}

TEST(ThreadPool, RethrowsAndStaysUsable) {
  ThreadPool pool(3);
  std::atomic<int> started = 0;
  EXPECT_THROW(pool.parallel_for(1000,
                                 [&](size_t i, size_t) {
                                   ++started;
                                   if (i == 10) throw std::runtime_error("ten");
                                   std::this_thread::sleep_for(std::chrono::microseconds(100));
                                 }),
               std::runtime_error);
  EXPECT_LT(started, 1000);
  std::atomic<int> sum = 0;
  pool.parallel_for(10, [&](size_t i, size_t) { sum += static_cast<int>(i); });
  EXPECT_EQ(sum, 45);
}

TEST(ThreadPool, NestedLoopRunsInline) {
  ThreadPool pool(2);
  std::atomic<int> total = 0;
  pool.parallel_for(4, [&](size_t, size_t) { pool.parallel_for(4, [&](size_t, size_t) { ++total; }); });
  EXPECT_EQ(total, 16);
}

}  // namespace
}  // namespace tersor
