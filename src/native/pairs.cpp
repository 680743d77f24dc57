#include "pairs.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace rapidnn {
namespace {

constexpr std::int64_t kNeuronsInTurn = 64;
constexpr std::int64_t kTwoTables = 4096;  // pairs up to which a second table of counts stays in the cache

int ones(std::uint64_t bits) { return __builtin_popcountll(bits); }

// Digits of a count (SPEC section 3, step 2): the binary form's where they are not more than the non-adjacent form's.
struct Digits {
  std::vector<std::uint8_t> number, negative;
  explicit Digits(std::int64_t most) : number(static_cast<std::size_t>(most) + 1), negative(number.size()) {
    for (std::uint64_t n = 0; n < number.size(); ++n) {
      const int binary = ones(n), adjacent = ones((3 * n) ^ n);
      number[n] = static_cast<std::uint8_t>(std::min(binary, adjacent));
      negative[n] = adjacent < binary && (n & ~(3 * n)) != 0;
    }
  }
};

class Counter {
 public:
  Counter(const PairTask& task, const Digits& digits)
      : task_(task),
        digits_(digits),
        pairs_(static_cast<std::size_t>(task.weight_size) * static_cast<std::size_t>(task.input_size)),
        tables_(static_cast<std::int64_t>(pairs_) <= kTwoTables ? 2 : 1),
        stride_(pairs_ + 256),  // whatever byte a code is, its counter is there
        counts_(stride_ * static_cast<std::size_t>(tables_)),
        groups_(static_cast<std::size_t>(task.weight_size)),
        group_sums_(groups_.size()) {}

  void neuron(std::int64_t i, std::int32_t* found) {
    tally(i);
    const std::uint8_t* nonzero = task_.nonzero + static_cast<std::size_t>(task_.table[i]) * pairs_;
    std::int32_t digits = 0, negative = 0, occupied = 0, taps = 0;
    const auto u = static_cast<std::size_t>(task_.input_size);
    for (std::size_t w = 0; w < groups_.size(); ++w) {
      std::int64_t group = 0;
      for (std::size_t p = w * u; p < (w + 1) * u; ++p) {
        std::uint32_t n = counts_[p];
        if (tables_ == 2) n += counts_[stride_ + p];
        group += n;
        digits += nonzero[p] * digits_.number[n];
        negative |= nonzero[p] & digits_.negative[n];
        occupied += nonzero[p] & static_cast<int>(n != 0);
      }
      groups_[w] = group;
      taps += static_cast<std::int32_t>(group);
    }
    std::sort(groups_.begin(), groups_.end(), std::greater<>());
    for (std::size_t w = 0; w < groups_.size(); ++w) group_sums_[w] += groups_[w];
    found[0] = digits;
    found[1] = negative;
    found[2] = occupied;
    found[3] = taps;
  }

  bool in_range() const { return largest_ < task_.input_size; }

  void add_groups(std::int64_t* sums) const {
    for (std::size_t w = 0; w < group_sums_.size(); ++w) sums[w] += group_sums_[w];
  }

 private:
  // Neighbouring taps often fall on one counter; two tables in turn keep an increment from waiting for the last.
  void tally(std::int64_t i) {
    std::fill(counts_.begin(), counts_.end(), 0U);
    const std::int64_t runs = task_.runs;
    const std::int64_t* offsets = task_.offsets + task_.place[i] * runs;
    const std::uint8_t* codes = task_.codes + task_.base[i];
    const std::uint8_t* weights = task_.weights + task_.channel[i] * task_.depth * runs;
    std::uint32_t* even = counts_.data();
    std::uint32_t* odd = even + (tables_ == 2 ? stride_ : 0);
    const auto u = static_cast<std::uint32_t>(task_.input_size);
    for (std::int64_t r = 0; r < runs; ++r) {
      if (offsets[r] < 0) continue;
      const std::uint8_t* x = codes + offsets[r];
      const std::uint8_t* w = weights + r;
      std::int64_t d = 0;
      for (; d + 1 < task_.depth; d += 2, x += 2 * task_.depth_step, w += 2 * runs) {
        ++even[w[0] * u + x[0]];
        ++odd[w[runs] * u + x[task_.depth_step]];
        largest_ = std::max(largest_, std::max(x[0], x[task_.depth_step]));
      }
      if (d < task_.depth) {
        ++even[w[0] * u + x[0]];
        largest_ = std::max(largest_, x[0]);
      }
    }
  }

  const PairTask& task_;
  const Digits& digits_;
  std::size_t pairs_;
  int tables_;
  std::size_t stride_;
  std::vector<std::uint32_t> counts_;
  std::vector<std::int64_t> groups_, group_sums_;
  std::uint8_t largest_ = 0;
};

}  // namespace

bool count_pairs(const PairTask& task, int threads, std::int32_t* found, std::int64_t* group_sums) {
  const Digits digits(task.runs * task.depth);
  std::atomic<std::int64_t> next{0};
  std::mutex guard;
  std::exception_ptr failure;
  bool in_range = true;
  const auto work = [&] {
    try {
      Counter counter(task, digits);
      for (std::int64_t at = next.fetch_add(kNeuronsInTurn); at < task.neurons; at = next.fetch_add(kNeuronsInTurn))
        for (std::int64_t i = at; i < std::min(task.neurons, at + kNeuronsInTurn); ++i)
          counter.neuron(i, found + i * kPairFields);
      const std::lock_guard<std::mutex> lock(guard);
      counter.add_groups(group_sums);
      in_range = in_range && counter.in_range();
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard);
      failure = std::current_exception();
    }
  };
  const std::int64_t turns = (task.neurons + kNeuronsInTurn - 1) / kNeuronsInTurn;
  std::vector<std::thread> pool;
  try {
    for (std::int64_t i = 1; i < std::min<std::int64_t>(threads, turns); ++i) pool.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads to be had: those there are do the work.
  }
  work();
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
  return in_range;
}

}  // namespace rapidnn
