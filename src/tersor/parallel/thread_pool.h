// The one pool of threads: every parallel loop of the program runs on it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace tersor {

// Threads that wait for loops to run. `parallel_for` may be called from one thread at a time; a loop started
// from inside a loop body runs on the calling worker alone.
class ThreadPool {
 public:
  // `threads` >= 1 is how many run a loop, the caller included; 0 means one per CPU this process may use.
  explicit ThreadPool(size_t threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const;

  // body(index, worker) for every index in [0, count), in increasing order of start; worker < threads() names
  // the thread, for per-thread buffers. Returns when all are done. After the first exception no new index
  // starts, and that exception is rethrown here.
  void parallel_for(size_t count, const std::function<void(size_t index, size_t worker)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// CPUs this process may run on (affinity mask and cgroup quota respected), at least 1.
size_t available_cpus();

}  // namespace tersor
