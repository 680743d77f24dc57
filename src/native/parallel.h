// Contiguous shares of a range on several threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace rapidnn {

// Calls work(from, to) on at most `threads` shares of [0, n), none smaller than `least` unless it is the only one.
// What work throws on any of them is thrown here.
template <typename Work>
void in_shares(std::size_t n, int threads, std::size_t least, const Work& work) {
  const std::size_t most = std::max<std::size_t>(1, n / std::max<std::size_t>(1, least));
  const std::size_t shares = std::min<std::size_t>(static_cast<std::size_t>(std::max(1, threads)), most);
  std::exception_ptr failure;
  std::mutex mutex;
  const auto guarded = [&](std::size_t share) {
    try {
      work(n * share / shares, n * (share + 1) / shares);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  std::size_t started = 1;
  try {
    others.reserve(shares);
    for (; started < shares; ++started) others.emplace_back(guarded, started);
  } catch (const std::system_error&) {
    // The system lends no more threads: the caller's does the rest.
  }
  for (std::size_t share = started; share < shares; ++share) guarded(share);
  guarded(0);
  for (std::thread& thread : others) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace rapidnn
