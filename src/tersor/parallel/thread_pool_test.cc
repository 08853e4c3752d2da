#include "tersor/parallel/thread_pool.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tersor/base/error.h"

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

// In a process of its own, whose address space ends after a few threads' stacks.
TEST(ThreadPoolDeathTest, ThreadsThatCannotStartAreAnError) {
#ifndef TERSOR_SANITIZED  // sanitizers need address space without end
  const auto start_many = [] {
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = rlim_t{1} << 30;
    setrlimit(RLIMIT_AS, &limit);
    try {
      ThreadPool pool(1000);
    } catch (const Error& e) {
      std::fprintf(stderr, "%s\n", e.what());
      std::_Exit(7);
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(start_many(), ::testing::ExitedWithCode(7), "cannot start thread [0-9]+ of 1000: ");
#endif
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
