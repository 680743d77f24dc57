// Threads that go through the steps of one block of samples together.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>

namespace rapidnn {

struct Share {
  std::int64_t first, last;
};

class Crew {
 public:
  // A member has given up: nobody waits for it.
  struct Broken : std::runtime_error {
    Broken() : std::runtime_error("another thread failed") {}
  };

  // To be called once all members there will be are known.
  void start(int members) { size_.store(members, std::memory_order_release); }

  void await_start() const {
    while (size_.load(std::memory_order_acquire) == 0) std::this_thread::yield();
  }

  int size() const { return size_.load(std::memory_order_relaxed); }

  void give_up() { broken_.store(true, std::memory_order_release); }

  // Returns when all members have called it.
  void meet() {
    const int size = size_.load(std::memory_order_relaxed);
    if (size == 1) return;
    const std::uint32_t round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    // Steps take microseconds, so that sleeping would cost more than waiting; but the processor may be shared.
    for (int tries = 0; round_.load(std::memory_order_acquire) == round; ++tries) {
      if (broken_.load(std::memory_order_acquire)) throw Broken();
      if (tries > kSpins) std::this_thread::yield();
    }
  }

 private:
  static constexpr int kSpins = 4000;
  std::atomic<int> size_{0}, arrived_{0};
  std::atomic<std::uint32_t> round_{0};
  std::atomic<bool> broken_{false};
};

// One thread's place in a crew.
struct Member {
  Crew& crew;
  int number;

  // This member's part of [0, n), cut between units.
  Share share(std::int64_t n, std::int64_t unit = 1) const {
    const std::int64_t units = (n + unit - 1) / unit, size = crew.size();
    return {std::min(n, units * number / size * unit), std::min(n, units * (number + 1) / size * unit)};
  }
};

}  // namespace rapidnn
