// Native kernels of rapidnn; bindings.cpp is the only file that knows Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rapidnn {

constexpr std::size_t kKeyBins = 65536;

// Adds x to a histogram over float keys. A key is the top 16 bits of the float's ordered pattern (the bits, with
// the sign flipped for positive and all bits for negative numbers), so keys ascend with the values. low_sums
// receives the low 16 bits of the ordered pattern: within a bin the value is affine in them, so the bin's mean is
// known exactly although only integers are added, and merging histograms does not depend on the order.
void add_to_histogram(const float* x, std::size_t n, std::int64_t* counts, std::int64_t* low_sums);

struct Clusters {
  std::vector<double> centers;     // ascending
  std::vector<std::int64_t> ends;  // cluster c covers points [ends[c - 1], ends[c])
  double sse = 0;                  // weighted sum of squared distances to the centers
};

// Globally optimal 1-D k-means of n weighted points with ascending distinct values, at most k clusters. With
// fix_zero one center is exactly 0 (its cluster may be empty) and the others are optimal given that.
Clusters kmeans(const double* values, const double* weights, std::size_t n, int k, bool fix_zero);

}  // namespace rapidnn
