#include "pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#ifdef _WIN32
#include <process.h>
#else
#include <unistd.h>
#endif

#include "crew.h"

namespace rapidnn {
namespace {

constexpr int kMost = 255;
constexpr std::chrono::microseconds kLookOut{100};

long process_id() {
#ifdef _WIN32
  return _getpid();
#else
  return getpid();
#endif
}

// Calls `there` until it is true, for a while at most.
template <typename There>
bool look_out(const There& there) {
  const auto end = std::chrono::steady_clock::now() + kLookOut;
  do {
    for (int i = 0; i < 200; ++i)
      if (there()) return true;
  } while (std::chrono::steady_clock::now() < end);
  return there();
}

class Pool {
 public:
  // A forked process has none of its parent's threads, so it gets a pool of its own. Pools are never destroyed: their
  // threads wait until the process ends.
  static Pool& of_process() {
    static std::atomic<Pool*> current{nullptr};
    Pool* found = current.load(std::memory_order_acquire);
    while (found == nullptr || found->process_ != process_id()) {
      auto* fresh = new Pool;
      if (current.compare_exchange_strong(found, fresh, std::memory_order_acq_rel)) return *fresh;
      delete fresh;
    }
    return *found;
  }

  // False where the threads are in use.
  bool run(int threads, const std::function<void(int)>& start, const std::function<void(int)>& work) {
    const std::unique_lock<std::mutex> mine(use_, std::try_to_lock);
    if (!mine.owns_lock()) return false;
    const int members = hire(std::min(threads, kMost));
    start(members);
    work_ = &work;
    finished_.store(0, std::memory_order_relaxed);
    {
      const std::lock_guard<std::mutex> guard(sleep_);
      // Its number and how many take part in one word: whoever sees it knows whether it is meant.
      call_.store(((call_.load(std::memory_order_relaxed) >> 8) + 1) << 8 | static_cast<std::uint64_t>(members),
                  std::memory_order_release);
    }
    awake_.notify_all();
    work(0);
    while (finished_.load(std::memory_order_acquire) < members - 1)
      if (!look_out([&] { return finished_.load(std::memory_order_acquire) == members - 1; })) std::this_thread::yield();
    return true;
  }

 private:
  Pool() : process_(process_id()) {}

  int hire(int wanted) {
    try {
      for (; hired_ + 1 < wanted; ++hired_)
        std::thread(&Pool::serve, this, hired_ + 1, call_.load(std::memory_order_relaxed)).detach();
    } catch (const std::system_error&) {
      // Those there are do the work.
    }
    return std::min(wanted, hired_ + 1);
  }

  void serve(int number, std::uint64_t seen) {
    for (;;) {
      const auto called = [&] { return call_.load(std::memory_order_acquire) != seen; };
      if (!look_out(called)) {
        std::unique_lock<std::mutex> guard(sleep_);
        awake_.wait(guard, called);
      }
      seen = call_.load(std::memory_order_acquire);
      if (number >= static_cast<int>(seen & 0xFF)) continue;
      (*work_)(number);
      finished_.fetch_add(1, std::memory_order_acq_rel);
    }
  }

  const long process_;
  std::mutex use_, sleep_;
  std::condition_variable awake_;
  std::atomic<std::uint64_t> call_{0};
  std::atomic<int> finished_{0};
  const std::function<void(int)>* work_ = nullptr;
  int hired_ = 0;
};

}  // namespace

void on_threads(int threads, const std::function<void(int)>& start, const std::function<void(int)>& work) {
  std::mutex guard;
  std::exception_ptr failure;
  const std::function<void(int)> guarded = [&](int number) {
    try {
      work(number);
    } catch (const Crew::Broken&) {
      // Whoever failed says why.
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard);
      failure = std::current_exception();
    }
  };
  if (threads <= 1 || !Pool::of_process().run(threads, start, guarded)) {
    start(1);
    guarded(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace rapidnn
