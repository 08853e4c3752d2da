#include "tersor/parallel/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <sched.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

// The CPU quota of cgroup v2 in whole CPUs, rounded up; 0 when there is none.
size_t cgroup_cpu_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return static_cast<size_t>(std::max(1.0, (std::atof(quota.c_str()) + period - 1) / period));
}

// Set while a thread runs a loop body; `current_worker` is then its number in that loop.
thread_local bool inside_loop = false;
thread_local size_t current_worker = 0;

}  // namespace

size_t available_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  size_t cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? static_cast<size_t>(CPU_COUNT(&set))
                                                             : std::thread::hardware_concurrency();
  if (const size_t quota = cgroup_cpu_quota(); quota > 0) cpus = std::min(cpus, quota);
  return std::max<size_t>(1, cpus);
}

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable start, finished;
  std::vector<std::jthread> workers;
  const std::function<void(size_t, size_t)>* body = nullptr;
  size_t count = 0;
  std::atomic<size_t> next{0};
  size_t running = 0;       // workers still in the current loop
  uint64_t generation = 0;  // which loop; a worker joins each one once
  bool stopping = false;
  std::exception_ptr error;

  void run(size_t worker) {
    inside_loop = true;
    current_worker = worker;
    for (;;) {
      const size_t index = next.fetch_add(1);
      if (index >= count) break;
      try {
        (*body)(index, worker);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next = count;
      }
    }
    inside_loop = false;
  }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    start.notify_all();
  }

  void work(size_t worker) {
    uint64_t seen = 0;
    for (;;) {
      {
        std::unique_lock lock(mutex);
        start.wait(lock, [&] { return stopping || generation != seen; });
        if (stopping) return;
        seen = generation;
      }
      run(worker);
      const std::lock_guard lock(mutex);
      if (--running == 0) finished.notify_one();
    }
  }
};

ThreadPool::ThreadPool(size_t threads) : state_(std::make_unique<State>()) {
  if (threads == 0) threads = available_cpus();
  for (size_t worker = 1; worker < threads; ++worker) {
    try {
      state_->workers.emplace_back([state = state_.get(), worker] { state->work(worker); });
    } catch (const std::system_error& e) {
      state_->stop();  // or the workers that run already would be waited for without end
      throw runtime_error("cannot start thread " + std::to_string(worker + 1) + " of " +
                              std::to_string(threads) + ": " + e.code().message(),
                          "use fewer: `--threads " + std::to_string(std::max<size_t>(1, worker / 2)) + "`");
    }
  }
}

ThreadPool::~ThreadPool() { state_->stop(); }

size_t ThreadPool::threads() const { return state_->workers.size() + 1; }

void ThreadPool::parallel_for(size_t count, const std::function<void(size_t, size_t)>& body) {
  if (count == 0) return;
  if (inside_loop || state_->workers.empty() || count == 1) {
    const size_t worker = inside_loop ? current_worker : 0;
    for (size_t i = 0; i < count; ++i) body(i, worker);
    return;
  }
  {
    const std::lock_guard lock(state_->mutex);
    state_->body = &body;
    state_->count = count;
    state_->next = 0;
    state_->error = nullptr;
    state_->running = state_->workers.size();
    ++state_->generation;
  }
  state_->start.notify_all();
  state_->run(0);
  std::unique_lock lock(state_->mutex);
  state_->finished.wait(lock, [&] { return state_->running == 0; });
  if (state_->error) std::rethrow_exception(state_->error);
}

}  // namespace tersor
