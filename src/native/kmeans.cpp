// Dynamic programming over sorted points: D[c][j] is the least cost of covering the first j points with at most c
// clusters. The cost of an interval satisfies the quadrangle inequality, so the best split is monotone in j and each
// layer is filled by divide and conquer in O(n log n).
#include "kernels.h"

#include <algorithm>
#include <limits>

namespace rapidnn {
namespace {

class IntervalCost {
 public:
  IntervalCost(const double* values, const double* weights, std::size_t n)
      : weight_(n + 1), first_(n + 1), second_(n + 1), about_zero_(n + 1) {
    double total = 0, moment = 0;
    for (std::size_t i = 0; i < n; ++i) {
      total += weights[i];
      moment += weights[i] * values[i];
    }
    // Sums about the mean keep the differences below from cancelling.
    center_ = total > 0 ? moment / total : 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double v = values[i] - center_;
      weight_[i + 1] = weight_[i] + weights[i];
      first_[i + 1] = first_[i] + weights[i] * v;
      second_[i + 1] = second_[i] + weights[i] * v * v;
      about_zero_[i + 1] = about_zero_[i] + weights[i] * values[i] * values[i];
    }
  }

  // Squared error of points [i, j) about their own mean.
  double own(std::size_t i, std::size_t j) const {
    const double w = weight_[j] - weight_[i];
    if (w <= 0) return 0;
    const double s = first_[j] - first_[i];
    return std::max(0.0, (second_[j] - second_[i]) - s * s / w);
  }
  // out[c] = previous[from + c] + own(from + c, j).
  void extend(const double* previous, std::size_t from, std::size_t count, std::size_t j, double* out) const {
    const double w_end = weight_[j], s_end = first_[j], q_end = second_[j];
    const double *w_at = weight_.data() + from, *s_at = first_.data() + from, *q_at = second_.data() + from;
    for (std::size_t c = 0; c < count; ++c) {
      const double w = w_end - w_at[c], s = s_end - s_at[c];
      const double spread = (q_end - q_at[c]) - s * s / (w > 0 ? w : 1.0);
      out[c] = previous[from + c] + (spread > 0 && w > 0 ? spread : 0.0);
    }
  }
  double mean(std::size_t i, std::size_t j) const {
    const double w = weight_[j] - weight_[i];
    return center_ + (w > 0 ? (first_[j] - first_[i]) / w : 0);
  }
  // Squared error of the first j points about zero.
  double about_zero(std::size_t j) const { return about_zero_[j]; }

 private:
  double center_ = 0;
  std::vector<double> weight_, first_, second_, about_zero_;
};

using Row = std::vector<double>;
using Back = std::vector<std::int32_t>;

// How many candidates are costed at once: a loop without branches, which compilers turn into vectors.
constexpr std::size_t kAtOnce = 32;

// next[j] = min over i <= j of previous[i] + cost(i, j), for j in [lo, hi), knowing the split lies in [from, to], and
// where earlier is not null, not before earlier[j].
void fill(const IntervalCost& cost, const Row& previous, Row& next, Back& back, const Back* earlier, std::size_t lo,
          std::size_t hi, std::size_t from, std::size_t to) {
  while (lo < hi) {
    const std::size_t mid = lo + (hi - lo) / 2;
    double best = std::numeric_limits<double>::infinity();
    const std::size_t end = std::min(mid, to) + 1;
    const std::size_t hint = earlier == nullptr ? from : static_cast<std::size_t>((*earlier)[mid]);
    const std::size_t begin = std::min(std::max(from, hint), end - 1);
    std::size_t arg = begin;
    double candidates[kAtOnce];
    for (std::size_t i = begin; i < end; i += kAtOnce) {
      const std::size_t some = std::min(kAtOnce, end - i);
      cost.extend(previous.data(), i, some, mid, candidates);
      for (std::size_t c = 0; c < some; ++c) {
        if (candidates[c] < best) {
          best = candidates[c];
          arg = i + c;
        }
      }
    }
    next[mid] = best;
    back[mid] = static_cast<std::int32_t>(arg);
    fill(cost, previous, next, back, earlier, lo, mid, from, arg);
    lo = mid + 1;
    from = arg;
  }
}

// Where the last of c + 1 clusters begins, for each end; costs are kept for one layer at a time.
struct Layer {
  Back back;
  std::vector<char> zero;  // whether the last cluster is the one held at zero; empty where none can be
};

// With one cluster more the last one never begins earlier: that holds while no layer had a choice of costs.
Layer own_layer(const IntervalCost& cost, Row& row, const Back* earlier, std::size_t n) {
  Layer layer{Back(n + 1), {}};
  Row next(n + 1);
  fill(cost, row, next, layer.back, earlier, 0, n + 1, 0, n);
  row.swap(next);
  return layer;
}

// Where ending the zero cluster at j is cheaper than an own cluster, take it: its cost is a difference of prefix
// sums, so the best start is a running minimum.
void relax_with_zero(const IntervalCost& cost, const Row& before_zero, Row& row, Layer& layer, std::size_t n) {
  double best = std::numeric_limits<double>::infinity();
  std::size_t arg = 0;
  layer.zero.assign(n + 1, 0);
  for (std::size_t j = 0; j <= n; ++j) {
    const double start = before_zero[j] - cost.about_zero(j);
    if (start < best) {
      best = start;
      arg = j;
    }
    const double candidate = before_zero[arg] + (cost.about_zero(j) - cost.about_zero(arg));
    if (candidate < row[j]) {
      row[j] = candidate;
      layer.back[j] = static_cast<std::int32_t>(arg);
      layer.zero[j] = 1;
    }
  }
}

Row first_own(const IntervalCost& cost, std::size_t n) {
  Row row(n + 1);
  for (std::size_t j = 0; j <= n; ++j) row[j] = cost.own(0, j);
  return row;
}

Row first_zero(const IntervalCost& cost, std::size_t n) {
  Row row(n + 1);
  for (std::size_t j = 0; j <= n; ++j) row[j] = cost.about_zero(j);
  return row;
}

void push(Clusters& found, double center, std::size_t end) {
  found.centers.push_back(center);
  found.ends.push_back(static_cast<std::int64_t>(end));
}

// Summed afresh: the layers' costs are differences of sums over all points, exact only relative to those.
double squared_error(const Clusters& found, const double* values, const double* weights) {
  double total = 0;
  std::size_t i = 0;
  for (std::size_t c = 0; c < found.centers.size(); ++c)
    for (; i < static_cast<std::size_t>(found.ends[c]); ++i) {
      const double d = values[i] - found.centers[c];
      total += weights[i] * d * d;
    }
  return total;
}

// An empty zero cluster covers no points; it still belongs into the ascending list.
void insert_zero(Clusters& found) {
  const auto place = std::lower_bound(found.centers.begin(), found.centers.end(), 0.0);
  if (place != found.centers.end() && *place == 0.0) return;
  const auto index = place - found.centers.begin();
  const std::int64_t end = index == 0 ? 0 : found.ends[static_cast<std::size_t>(index - 1)];
  found.centers.insert(place, 0.0);
  found.ends.insert(found.ends.begin() + index, end);
}

}  // namespace

Clusters kmeans(const double* values, const double* weights, std::size_t n, int k, bool fix_zero) {
  const IntervalCost cost(values, weights, n);
  // free_layers[c]: c + 1 clusters, none held at zero; held_layers[c]: one of them is.
  std::vector<Layer> free_layers{{Back(n + 1, 0), {}}}, held_layers;
  Row free_row = first_own(cost, n), held_row;
  if (fix_zero) {
    held_row = first_zero(cost, n);
    held_layers.push_back({Back(n + 1, 0), std::vector<char>(n + 1, 1)});
  }
  for (int c = 1; c < k; ++c) {
    if (fix_zero) {
      held_layers.push_back(own_layer(cost, held_row, nullptr, n));
      relax_with_zero(cost, free_row, held_row, held_layers.back(), n);
    }
    if (!fix_zero || c + 1 < k) free_layers.push_back(own_layer(cost, free_row, &free_layers.back().back, n));
  }

  Clusters found;
  bool held = fix_zero;
  std::size_t end = n;
  for (int c = k - 1; c >= 0; --c) {
    const Layer& layer = (held ? held_layers : free_layers)[static_cast<std::size_t>(c)];
    const std::size_t start = c == 0 ? 0 : static_cast<std::size_t>(layer.back[end]);
    const bool at_zero = held && layer.zero[end] != 0;
    if (at_zero) held = false;
    if (start < end) push(found, at_zero ? 0.0 : cost.mean(start, end), end);
    end = start;
  }
  std::reverse(found.centers.begin(), found.centers.end());
  std::reverse(found.ends.begin(), found.ends.end());
  if (fix_zero) insert_zero(found);
  found.sse = squared_error(found, values, weights);
  return found;
}

}  // namespace rapidnn
