#include <cstring>

#include "kernels.h"

namespace rapidnn {

void add_to_histogram(const float* x, std::size_t n, std::int64_t* counts, std::int64_t* low_sums) {
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    const std::uint32_t ordered = bits ^ ((bits >> 31) != 0 ? 0xFFFFFFFFu : 0x80000000u);
    counts[ordered >> 16] += 1;
    low_sums[ordered >> 16] += ordered & 0xFFFFu;
  }
}

}  // namespace rapidnn
