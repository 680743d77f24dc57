#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <stdexcept>

#include "bindings.h"
#include "kernels.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <typename T>
using In = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using InOut = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Out = nb::ndarray<nb::numpy, T, nb::ndim<1>, nb::c_contig>;

template <typename T>
Out<T> to_numpy(const std::vector<T>& data) {
  T* copy = new T[data.size()];
  std::copy(data.begin(), data.end(), copy);
  nb::capsule owner(copy, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return Out<T>(copy, {data.size()}, owner);
}

void add_to_histogram(In<float> x, InOut<std::int64_t> counts, InOut<std::int64_t> low_sums, int threads) {
  const std::size_t bins = counts.size();
  if (bins < rapidnn::kKeyBins || (bins & (bins - 1)) != 0 || low_sums.size() != bins)
    throw std::invalid_argument("counts and low_sums must hold as many bins, a power of 2 from 65536 on");
  nb::gil_scoped_release release;
  rapidnn::add_to_histogram(x.data(), x.size(), bins, counts.data(), low_sums.data(), threads);
}

// Checks that every slot a key can lead to exists.
rapidnn::Subdivision subdivision(const In<std::uint32_t>& first, const In<std::uint8_t>& shift, std::size_t slots) {
  if (first.size() != rapidnn::kKeyBins || shift.size() != rapidnn::kKeyBins)
    throw std::invalid_argument("first and shift must hold 65536 bins");
  for (std::size_t key = 0; key < rapidnn::kKeyBins; ++key)
    if (shift.data()[key] > 16 || first.data()[key] + (std::size_t{0xFFFF} >> shift.data()[key]) >= slots)
      throw std::invalid_argument("a key's slots must lie within the sums");
  return {first.data(), shift.data(), slots};
}

void count_fine(In<float> x, In<std::uint32_t> first, In<std::uint8_t> shift, InOut<std::int64_t> counts,
                InOut<std::int64_t> low_sums, int threads) {
  if (counts.size() != low_sums.size()) throw std::invalid_argument("counts and low_sums must have the same length");
  const auto bins = subdivision(first, shift, counts.size());
  nb::gil_scoped_release release;
  rapidnn::count_fine(x.data(), x.size(), bins, counts.data(), low_sums.data(), threads);
}

void weigh_fine(In<float> x, In<double> importance, int exponent, In<std::uint32_t> first, In<std::uint8_t> shift,
                InOut<std::uint64_t> sums, int threads) {
  if (x.size() != importance.size()) throw std::invalid_argument("x and importance must have the same length");
  const auto bins = subdivision(first, shift, sums.size() / 4);
  nb::gil_scoped_release release;
  rapidnn::weigh_fine(x.data(), importance.data(), x.size(), exponent, bins, sums.data(), threads);
}

// method: "tree" (vectors), "keys" (portable), or "best" of the two that the machine has.
void encode(In<float> x, In<float> cuts, InOut<std::uint8_t> codes, int threads, const std::string& method) {
  if (x.size() != codes.size()) throw std::invalid_argument("x and codes must have the same length");
  if (cuts.size() > 255) throw std::invalid_argument("at most 255 cuts");
  bool done = false;
  {
    nb::gil_scoped_release release;
    if (method != "keys") done = rapidnn::encode_by_tree(x.data(), x.size(), cuts.data(), cuts.size(), codes.data(), threads);
    if (!done && method != "tree") {
      rapidnn::encode_by_keys(x.data(), x.size(), cuts.data(), cuts.size(), codes.data(), threads);
      done = true;
    }
  }
  if (!done) throw std::runtime_error("this machine lacks the vectors that encoding by tree needs");
}

std::tuple<Out<double>, Out<std::int64_t>, double> kmeans(In<double> values, In<double> weights, int k,
                                                          bool fix_zero) {
  if (values.size() != weights.size() || values.size() == 0 || values.size() > 0x7FFFFFFE)
    throw std::invalid_argument("values and weights must have the same length, at least 1");
  if (k < 1) throw std::invalid_argument("k must be at least 1");
  rapidnn::Clusters found;
  {
    nb::gil_scoped_release release;
    found = rapidnn::kmeans(values.data(), weights.data(), values.size(), k, fix_zero);
  }
  return {to_numpy(found.centers), to_numpy(found.ends), found.sse};
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "rapidnn's native kernels";
  m.def("add_to_histogram", &add_to_histogram, "x"_a, "counts"_a, "low_sums"_a, "threads"_a = 1);
  m.def("count_fine", &count_fine, "x"_a, "first"_a, "shift"_a, "counts"_a, "low_sums"_a, "threads"_a = 1);
  m.def("weigh_fine", &weigh_fine, "x"_a, "importance"_a, "exponent"_a, "first"_a, "shift"_a, "sums"_a,
        "threads"_a = 1);
  m.def("encode", &encode, "x"_a, "cuts"_a, "codes"_a, "threads"_a = 1, "method"_a = "best");
  rapidnn::bind_network(m);
  rapidnn::bind_machine(m);
  rapidnn::bind_staircase(m);
  m.def("kmeans", &kmeans, "values"_a, "weights"_a, "k"_a, "fix_zero"_a);
}
