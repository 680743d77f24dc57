#include <cmath>
#include <cstring>
#include <mutex>

#include "kernels.h"
#include "parallel.h"

namespace rapidnn {
namespace {

constexpr std::size_t kShare = std::size_t{1} << 18;  // below this a thread of its own does not pay
// A packed entry is count << 40 | sum of low bits: one addition per value. 2**23 values of 16 low bits fit.
constexpr std::size_t kPackedValues = std::size_t{1} << 23;
constexpr int kCountShift = 40;

std::uint32_t ordered(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits ^ (static_cast<std::uint32_t>(static_cast<std::int32_t>(bits) >> 31) | 0x80000000u);
}

constexpr std::uint64_t kOne = std::uint64_t{1} << kCountShift;

// Slots are found for a whole stretch before any is touched: an addition that waits for the one before it to the same
// slot would otherwise hold up the loads of all that follow.
template <typename Slot>
void add_packed(std::uint64_t* packed, const float* x, std::size_t n, const Slot& slot) {
  constexpr std::size_t kStretch = 64;
  std::uint32_t slots[kStretch];
  std::uint64_t entries[kStretch];
  for (std::size_t at = 0; at < n; at += kStretch) {
    const std::size_t some = std::min(kStretch, n - at);
    for (std::size_t i = 0; i < some; ++i) {
      const std::uint32_t key = ordered(x[at + i]);
      slots[i] = slot(key);
      entries[i] = kOne + (key & 0xFFFFu);
    }
    for (std::size_t i = 0; i < some; ++i) packed[slots[i]] += entries[i];
  }
}

template <typename Slot>
void count(const float* x, std::size_t n, std::size_t slots, std::int64_t* counts, std::int64_t* low_sums, int threads,
           const Slot& slot) {
  std::mutex mutex;
  in_shares(n, threads, kShare, [&](std::size_t from, std::size_t to) {
    std::vector<std::uint64_t> packed(slots);
    while (from < to) {
      const std::size_t some = std::min(to - from, kPackedValues);
      add_packed(packed.data(), x + from, some, slot);
      from += some;
      const std::lock_guard<std::mutex> lock(mutex);
      for (std::size_t i = 0; i < slots; ++i) {
        counts[i] += static_cast<std::int64_t>(packed[i] >> kCountShift);
        low_sums[i] += static_cast<std::int64_t>(packed[i] & (kOne - 1));
        packed[i] = 0;
      }
    }
  });
}

}  // namespace

void add_to_histogram(const float* x, std::size_t n, std::size_t bins, std::int64_t* counts, std::int64_t* low_sums,
                      int threads) {
  int shift = 32;
  for (std::size_t rest = bins; rest > 1; rest >>= 1) --shift;
  if (n < bins) {  // clearing and merging packed entries would cost more than it saves
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t key = ordered(x[i]);
      counts[key >> shift] += 1;
      low_sums[key >> shift] += key & 0xFFFFu;
    }
    return;
  }
  count(x, n, bins, counts, low_sums, threads, [shift](std::uint32_t key) { return key >> shift; });
}

void count_fine(const float* x, std::size_t n, const Subdivision& bins, std::int64_t* counts, std::int64_t* low_sums,
                int threads) {
  count(x, n, bins.slots, counts, low_sums, threads,
        [bins](std::uint32_t key) { return static_cast<std::uint32_t>(bins.slot(key)); });
}

void weigh_fine(const float* x, const double* importance, std::size_t n, int exponent, const Subdivision& bins,
                std::uint64_t* sums, int threads) {
  using Wide = unsigned __int128;
  std::mutex mutex;
  in_shares(n, threads, kShare, [&](std::size_t from, std::size_t to) {
    std::vector<Wide> own(2 * bins.slots);
    for (; from < to; ++from) {
      const std::uint32_t key = ordered(x[from]);
      const auto weight = static_cast<std::uint64_t>(std::nearbyint(std::ldexp(importance[from], exponent)));
      Wide* entry = own.data() + 2 * bins.slot(key);
      entry[0] += weight;
      entry[1] += weight * (key & 0xFFFFu);
    }
    const std::lock_guard<std::mutex> lock(mutex);
    for (std::size_t i = 0; i < own.size(); ++i) {
      const Wide sum = own[i] + ((static_cast<Wide>(sums[2 * i + 1]) << 64) | sums[2 * i]);
      sums[2 * i] = static_cast<std::uint64_t>(sum);
      sums[2 * i + 1] = static_cast<std::uint64_t>(sum >> 64);
    }
  });
}

}  // namespace rapidnn
