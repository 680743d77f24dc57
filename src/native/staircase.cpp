// Fine-tuning's forward and backward pass through a step function of every element: which thresholds it exceeds.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "bindings.h"

namespace nb = nanobind;
using namespace nb::literals;

// The compiler makes one clone of each loop per instruction set and the loader picks; all give the same numbers.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define RAPIDNN_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define RAPIDNN_CLONES
#endif
#define RAPIDNN_INLINE inline __attribute__((always_inline))

namespace rapidnn {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kLadder = 32;  // up to so many thresholds are compared one by one
constexpr std::size_t kLanes = 16;
constexpr std::size_t kMinShare = 1 << 16;
constexpr int kPassBit = 8;
constexpr std::uint16_t kPasses = 1 << kPassBit;

template <typename T>
using In = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using InOut = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Tables of `sets` step functions side by side: threshold k of set t is thresholds[k * sets + t].
template <typename T>
struct Tables {
  const T* thresholds;
  const T* low;
  const T* high;
  const float* values;
  std::size_t steps;
  std::size_t sets;
};

// n elements, all of set t (`stride` 0), or of the sets t, t + 1, ... (`stride` 1); n is at most kBlock.
template <typename T>
RAPIDNN_INLINE void forward_block(const Tables<T>& a, const T* x, std::size_t n, std::size_t t, std::size_t stride,
                                  float* y, std::uint16_t* state) {
  std::int32_t count[kBlock];
  const T* thresholds = a.thresholds + t;
  if (a.steps <= kLadder) {
    for (std::size_t i = 0; i < n; ++i) count[i] = 0;
    for (std::size_t k = 0; k < a.steps; ++k) {
      const T* row = thresholds + k * a.sets;
      if (stride == 0) {
        const T limit = *row;
        for (std::size_t i = 0; i < n; ++i) count[i] += x[i] > limit;
      } else {
        for (std::size_t i = 0; i < n; ++i) count[i] += x[i] > row[i];
      }
    }
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      std::size_t first = 0, left = a.steps;
      while (left > 0) {
        const std::size_t half = left / 2;
        const bool above = x[i] > thresholds[(first + half) * a.sets + i * stride];
        first = above ? first + half + 1 : first;
        left = above ? left - half - 1 : half;
      }
      count[i] = static_cast<std::int32_t>(first);
    }
  }
  const float* values = a.values + t;
  const T* low = a.low + t;
  const T* high = a.high + t;
  if (stride == 0) {
    float table[256];
    for (std::size_t k = 0; k <= a.steps; ++k) table[k] = values[k * a.sets];
    const T from = *low, to = *high;
    for (std::size_t i = 0; i < n; ++i) y[i] = table[count[i]];
    for (std::size_t i = 0; i < n; ++i)
      state[i] = static_cast<std::uint16_t>(count[i] | (((x[i] > from) & (x[i] <= to)) << kPassBit));
  } else {
    const std::int32_t sets = static_cast<std::int32_t>(a.sets);
    for (std::size_t i = 0; i < n; ++i) y[i] = values[count[i] * sets + static_cast<std::int32_t>(i)];
    for (std::size_t i = 0; i < n; ++i)
      state[i] = static_cast<std::uint16_t>(count[i] | (((x[i] > low[i]) & (x[i] <= high[i])) << kPassBit));
  }
}

RAPIDNN_CLONES void forward_f32(const Tables<float>& a, const float* x, std::size_t n, std::size_t t,
                                std::size_t stride, float* y, std::uint16_t* state) {
  forward_block(a, x, n, t, stride, y, state);
}

RAPIDNN_CLONES void forward_f64(const Tables<double>& a, const double* x, std::size_t n, std::size_t t,
                                std::size_t stride, float* y, std::uint16_t* state) {
  forward_block(a, x, n, t, stride, y, state);
}

RAPIDNN_CLONES void scale_passing(const float* g, const std::uint16_t* state, std::size_t n, const float* slope,
                                  std::size_t stride, float* out) {
  if (stride == 0) {
    const float factor = *slope;
    for (std::size_t i = 0; i < n; ++i) out[i] = state[i] & kPasses ? g[i] * factor : 0.0f;
  } else {
    for (std::size_t i = 0; i < n; ++i) out[i] = state[i] & kPasses ? g[i] * slope[i] : 0.0f;
  }
}

// Sums of one block for each of few codes, in 16 lanes whatever the vector's width, so that clones agree to the bit.
RAPIDNN_CLONES void add_by_few_codes(const float* g, const std::uint16_t* state, std::size_t n, std::size_t codes,
                                     double* sums) {
  std::int32_t code[kBlock];
  float padded[kBlock];
  const std::size_t rounded = (n + kLanes - 1) / kLanes * kLanes;
  for (std::size_t i = 0; i < n; ++i) code[i] = state[i] & 255;
  for (std::size_t i = 0; i < n; ++i) padded[i] = g[i];
  for (std::size_t i = n; i < rounded; ++i) {
    code[i] = 0;
    padded[i] = 0.0f;
  }
  for (std::size_t k = 0; k < codes; ++k) {
    float lanes[kLanes] = {};
    const std::int32_t wanted = static_cast<std::int32_t>(k);
    for (std::size_t i = 0; i < rounded; i += kLanes)
      for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += code[i + l] == wanted ? padded[i + l] : 0.0f;
    double total = 0.0;
    for (const float lane : lanes) total += static_cast<double>(lane);
    sums[k] = total;
  }
}

void add_by_code(const float* g, const std::uint16_t* state, std::size_t n, std::size_t steps, std::size_t sets,
                 std::size_t t, std::size_t stride, double* sums) {
  if (stride != 0) {
    for (std::size_t i = 0; i < n; ++i) sums[(state[i] & 255u) * sets + t + i] += static_cast<double>(g[i]);
    return;
  }
  double part[4][256];  // four accumulators a code break the chain of additions to the same place
  if (steps < kLadder) {
    add_by_few_codes(g, state, n, steps + 1, part[0]);
    for (std::size_t k = 0; k <= steps; ++k) sums[k * sets + t] += part[0][k];
    return;
  }
  for (auto& p : part) std::fill(p, p + steps + 1, 0.0);
  for (std::size_t i = 0; i < n; ++i) part[i % 4][state[i] & 255u] += static_cast<double>(g[i]);
  for (std::size_t k = 0; k <= steps; ++k)
    sums[k * sets + t] += (part[0][k] + part[1][k]) + (part[2][k] + part[3][k]);
}

// Calls work(begin, length, set, stride) for pieces of [begin, end) that lie in one block and in known sets.
template <typename Work>
void walk(std::size_t begin, std::size_t end, std::size_t inner, std::size_t sets, Work&& work) {
  while (begin < end) {
    const std::size_t set = begin / inner % sets;
    const bool side_by_side = inner == 1 && sets > 1;
    const std::size_t room = sets == 1 ? end - begin : side_by_side ? sets - set : inner - begin % inner;
    const std::size_t n = std::min({room, end - begin, kBlock});
    work(begin, n, set, static_cast<std::size_t>(side_by_side));
    begin += n;
  }
}

template <typename Work>
void share(std::size_t n, int threads, Work&& work) {
  const std::size_t parts = std::clamp<std::size_t>(n / kMinShare, 1, static_cast<std::size_t>(std::max(threads, 1)));
  std::vector<std::thread> pool;
  for (std::size_t p = 1; p < parts; ++p)
    pool.emplace_back([&, p] { work(p, n * p / parts, n * (p + 1) / parts); });
  work(std::size_t{0}, std::size_t{0}, n / parts);
  for (std::thread& thread : pool) thread.join();
}

template <typename T, typename Block>
void forward(Block block, const In<T>& x, const In<T>& thresholds, const In<T>& low, const In<T>& high,
             const In<float>& values, std::size_t inner, InOut<float>& y, InOut<std::uint16_t>& state, int threads) {
  const std::size_t sets = low.size();
  if (sets == 0 || inner == 0 || high.size() != sets || values.size() != thresholds.size() + sets ||
      thresholds.size() % sets != 0 || values.size() / sets > 256 || y.size() != x.size() || state.size() != x.size())
    throw std::invalid_argument("the tables do not fit each other or the data");
  const Tables<T> tables{thresholds.data(), low.data(), high.data(), values.data(), thresholds.size() / sets, sets};
  nb::gil_scoped_release release;
  share(x.size(), threads, [&](std::size_t, std::size_t begin, std::size_t end) {
    walk(begin, end, inner, sets, [&](std::size_t i, std::size_t n, std::size_t t, std::size_t stride) {
      block(tables, x.data() + i, n, t, stride, y.data() + i, state.data() + i);
    });
  });
}

void staircase_f32(In<float> x, In<float> thresholds, In<float> low, In<float> high, In<float> values,
                   std::size_t inner, InOut<float> y, InOut<std::uint16_t> state, int threads) {
  forward<float>(forward_f32, x, thresholds, low, high, values, inner, y, state, threads);
}

void staircase_f64(In<double> x, In<double> thresholds, In<double> low, In<double> high, In<float> values,
                   std::size_t inner, InOut<float> y, InOut<std::uint16_t> state, int threads) {
  forward<double>(forward_f64, x, thresholds, low, high, values, inner, y, state, threads);
}

void staircase_backward(In<float> g, In<std::uint16_t> state, In<float> slopes, std::size_t inner, InOut<float> out,
                        InOut<double> sums, int threads) {
  const std::size_t sets = slopes.size(), n = g.size();
  if (sets == 0 || inner == 0 || sums.size() % sets != 0 || sums.size() == 0 || sums.size() / sets > 256 ||
      state.size() != n || (out.size() != n && out.size() != 0))
    throw std::invalid_argument("the arrays do not fit each other");
  const std::size_t steps = sums.size() / sets - 1;
  std::vector<std::vector<double>> parts(static_cast<std::size_t>(std::max(threads, 1)));
  nb::gil_scoped_release release;
  share(n, threads, [&](std::size_t part, std::size_t begin, std::size_t end) {
    parts[part].assign(sums.size(), 0.0);
    walk(begin, end, inner, sets, [&](std::size_t i, std::size_t length, std::size_t t, std::size_t stride) {
      if (out.size() != 0)
        scale_passing(g.data() + i, state.data() + i, length, slopes.data() + t, stride, out.data() + i);
      add_by_code(g.data() + i, state.data() + i, length, steps, sets, t, stride, parts[part].data());
    });
  });
  for (const std::vector<double>& part : parts)
    for (std::size_t k = 0; k < part.size(); ++k) sums.data()[k] += part[k];
}

}  // namespace

void bind_staircase(nb::module_& m) {
  m.def("staircase_f32", &staircase_f32, "x"_a, "thresholds"_a, "low"_a, "high"_a, "values"_a, "inner"_a, "y"_a,
        "state"_a, "threads"_a);
  m.def("staircase_f64", &staircase_f64, "x"_a, "thresholds"_a, "low"_a, "high"_a, "values"_a, "inner"_a, "y"_a,
        "state"_a, "threads"_a);
  m.def("staircase_backward", &staircase_backward, "g"_a, "state"_a, "slopes"_a, "inner"_a, "out"_a, "sums"_a,
        "threads"_a);
}

}  // namespace rapidnn
