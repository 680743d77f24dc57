#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
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

void add_to_histogram(In<float> x, InOut<std::int64_t> counts, InOut<std::int64_t> low_sums) {
  if (counts.size() != rapidnn::kKeyBins || low_sums.size() != rapidnn::kKeyBins)
    throw std::invalid_argument("counts and low_sums must hold 65536 bins");
  nb::gil_scoped_release release;
  rapidnn::add_to_histogram(x.data(), x.size(), counts.data(), low_sums.data());
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
  m.def("add_to_histogram", &add_to_histogram, "x"_a, "counts"_a, "low_sums"_a);
  rapidnn::bind_network(m);
  m.def("kmeans", &kmeans, "values"_a, "weights"_a, "k"_a, "fix_zero"_a);
}
