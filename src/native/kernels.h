// Native kernels of clustering; bindings.cpp is the only file that knows Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rapidnn {

constexpr std::size_t kKeyBins = 65536;

// Adds x to a histogram of `bins` = 2**16 to 2**32 float keys. A key is the top bits of the float's ordered pattern (the
// bits, with the sign flipped for positive and all bits for negative numbers), so keys ascend with the values. low_sums
// receives the low 16 bits of the ordered pattern: within a bin the value is affine in them, so the bin's mean is
// known exactly although only integers are added, and merging histograms does not depend on the order, nor on the
// number of threads.
void add_to_histogram(const float* x, std::size_t n, std::size_t bins, std::int64_t* counts, std::int64_t* low_sums,
                      int threads);

// Bins finer than keys: key k owns the slots from first[k], one for each value of the low 16 bits >> shift[k].
struct Subdivision {
  const std::uint32_t* first;
  const std::uint8_t* shift;  // 0 to 16
  std::size_t slots;

  std::size_t slot(std::uint32_t ordered) const {
    return first[ordered >> 16] + ((ordered & 0xFFFFu) >> shift[ordered >> 16]);
  }
};

// As add_to_histogram with a bin for each slot; every key that occurs must have its slots below bins.slots.
void count_fine(const float* x, std::size_t n, const Subdivision& bins, std::int64_t* counts, std::int64_t* low_sums,
                int threads);

// Adds importances, and importances times low bits, instead of counts: for each slot two integers of 128 bits, low word
// first. An importance enters as rhe(importance * 2**exponent), which must be below 2**48, so sums are exact in any
// order.
void weigh_fine(const float* x, const double* importance, std::size_t n, int exponent, const Subdivision& bins,
                std::uint64_t* sums, int threads);

struct Clusters {
  std::vector<double> centers;     // ascending
  std::vector<std::int64_t> ends;  // cluster c covers points [ends[c - 1], ends[c])
  double sse = 0;                  // weighted sum of squared distances to the centers
};

// Globally optimal 1-D k-means of n weighted points with ascending distinct values, at most k clusters. With
// fix_zero one center is exactly 0 (its cluster may be empty) and the others are optimal given that.
Clusters kmeans(const double* values, const double* weights, std::size_t n, int k, bool fix_zero);

// codes[i] = number of cuts (ascending, at most 255) that x[i] is not at or below: the nearest codebook value where
// cuts are the midpoints, on a tie the lower. NaN is above all. By a table over float keys; and by the search tree
// of the cuts in vectors, which does nothing and says false where the machine lacks them.
void encode_by_keys(const float* x, std::size_t n, const float* cuts, std::size_t m, std::uint8_t* codes, int threads);
bool encode_by_tree(const float* x, std::size_t n, const float* cuts, std::size_t m, std::uint8_t* codes, int threads);

constexpr std::size_t kTreeNodes = 64;  // a tree has room for at least so many
using Descent = void (*)(const float* x, std::size_t n, const float* nodes, std::size_t m, std::uint8_t* codes);
const Descent* avx512_descents();  // by depth of the tree, 0 to 8; nullptr where the machine has no AVX-512

}  // namespace rapidnn
