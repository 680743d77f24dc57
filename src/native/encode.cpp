// Nearest codebook value of many floats.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels.h"
#include "parallel.h"

namespace rapidnn {
namespace {

constexpr std::size_t kShare = std::size_t{1} << 18;

std::uint32_t ordered(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits ^ (static_cast<std::uint32_t>(static_cast<std::int32_t>(bits) >> 31) | 0x80000000u);
}

std::uint8_t search(float x, const float* cuts, std::size_t m) {
  // NaN is at or below no cut, hence above all of them.
  const auto above = [](float cut, float value) { return !(value <= cut); };
  return static_cast<std::uint8_t>(std::lower_bound(cuts, cuts + m, x, above) - cuts);
}

// Level by level, node j of level l at (1 << l) - 1 + j; infinity where there is no cut.
std::vector<float> tree(const float* cuts, std::size_t m, int depth) {
  const std::size_t leaves = std::size_t{1} << depth;
  std::vector<float> nodes(std::max(leaves, kTreeNodes), std::numeric_limits<float>::infinity());
  for (int level = 0; level < depth; ++level)
    for (std::size_t j = 0; j < (std::size_t{1} << level); ++j) {
      const std::size_t rank = (2 * j + 1) * (leaves >> (level + 1)) - 1;
      if (rank < m) nodes[(std::size_t{1} << level) - 1 + j] = cuts[rank];
    }
  return nodes;
}

}  // namespace

void encode_by_keys(const float* x, std::size_t n, const float* cuts, std::size_t m, std::uint8_t* codes, int threads) {
  if (n < kKeyBins) {
    for (std::size_t i = 0; i < n; ++i) codes[i] = search(x[i], cuts, m);
    return;
  }
  // least[key] is the code of the key's least value: no cut lies between it and any value of the key, except those
  // inside the key, which are compared one by one.
  std::vector<std::uint8_t> least(kKeyBins);
  std::size_t at = 0;
  for (std::size_t c = 0; c < m; ++c) {
    // Codes below c + 1 end with the cut's own key; the cut 0 parts both zeros from what is above them.
    const std::size_t end = (ordered(cuts[c] == 0 ? 0.0f : cuts[c]) >> 16) + 1;
    if (end > at) {
      std::fill(least.begin() + static_cast<std::ptrdiff_t>(at), least.begin() + static_cast<std::ptrdiff_t>(end),
                static_cast<std::uint8_t>(c));
      at = end;
    }
  }
  std::fill(least.begin() + static_cast<std::ptrdiff_t>(at), least.end(), static_cast<std::uint8_t>(m));
  in_shares(n, threads, kShare, [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      std::size_t code = least[ordered(x[i]) >> 16];
      while (code < m && !(x[i] <= cuts[code])) ++code;
      codes[i] = static_cast<std::uint8_t>(code);
    }
  });
}

bool encode_by_tree(const float* x, std::size_t n, const float* cuts, std::size_t m, std::uint8_t* codes, int threads) {
  const Descent* descents = avx512_descents();
  if (descents == nullptr) return false;
  int depth = 0;
  while ((std::size_t{1} << depth) < m + 1) ++depth;
  const std::vector<float> nodes = tree(cuts, m, depth);
  in_shares(n, threads, kShare, [&](std::size_t from, std::size_t to) {
    descents[depth](x + from, to - from, nodes.data(), m, codes + from);
  });
  return true;
}

}  // namespace rapidnn
