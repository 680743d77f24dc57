#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <stdexcept>

#include "bindings.h"
#include "pairs.h"
#include "schedule.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rapidnn {
namespace {

template <typename T>
using Row = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Grid = nb::ndarray<const T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

bool below(const std::uint8_t* codes, std::size_t n, int size) {
  std::uint8_t most = 0;
  for (std::size_t i = 0; i < n; ++i) most = std::max(most, codes[i]);
  return most < size || n == 0;
}

// Indices and codes come from Python: all are checked, input codes while they are counted.
void count(Row<std::uint8_t> codes, Row<std::int64_t> base, Grid<std::int64_t> offsets, Row<std::int32_t> place,
           std::int64_t depth, std::int64_t depth_step, Grid<std::uint8_t> weights, Row<std::int32_t> channel,
           Grid<std::uint8_t> nonzero, Row<std::int32_t> table, int weight_size, int input_size, int threads,
           nb::ndarray<std::int32_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu> neurons,
           nb::ndarray<std::int64_t, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu> group_sums) {
  const auto n = static_cast<std::int64_t>(base.size()), runs = static_cast<std::int64_t>(offsets.shape(1));
  require(weight_size > 0 && input_size > 0 && weight_size <= 256 && input_size <= 256, "codebook sizes are 1 to 256");
  require(depth > 0 && depth_step >= 0 && depth * runs <= 0x7FFFFFFF, "depth does not fit");
  require(place.size() == base.size() && channel.size() == base.size() && table.size() == base.size(), "one per neuron");
  require(neurons.shape(0) == base.size() && neurons.shape(1) == kPairFields, "neurons has another shape");
  require(group_sums.size() == static_cast<std::size_t>(weight_size), "group_sums has another shape");
  require(static_cast<std::int64_t>(weights.shape(1)) == depth * runs, "weights do not fit depth and offsets");
  require(nonzero.shape(1) == static_cast<std::size_t>(weight_size) * static_cast<std::size_t>(input_size), "nonzero");
  const auto rows = static_cast<std::int64_t>(offsets.shape(0)), channels = static_cast<std::int64_t>(weights.shape(0));
  std::int64_t farthest = -1;
  for (std::size_t i = 0; i < offsets.size(); ++i) farthest = std::max(farthest, offsets.data()[i]);
  const std::int64_t reach = std::max<std::int64_t>(farthest, 0) + (depth - 1) * depth_step;
  for (std::int64_t i = 0; i < n; ++i) {
    require(place.data()[i] >= 0 && place.data()[i] < rows, "place out of range");
    require(channel.data()[i] >= 0 && channel.data()[i] < channels, "channel out of range");
    require(table.data()[i] >= 0 && table.data()[i] < static_cast<std::int64_t>(nonzero.shape(0)), "table out of range");
    require(base.data()[i] >= 0 && base.data()[i] + reach < static_cast<std::int64_t>(codes.size()), "base out of range");
  }
  const std::size_t row = weights.shape(1);
  if (n < channels) {
    for (std::int64_t i = 0; i < n; ++i)
      require(below(weights.data() + static_cast<std::size_t>(channel.data()[i]) * row, row, weight_size),
              "a weight code is out of range");
  } else {
    require(below(weights.data(), weights.size(), weight_size), "a weight code is out of range");
  }
  require(nonzero.size() == 0 || *std::max_element(nonzero.data(), nonzero.data() + nonzero.size()) <= 1, "nonzero is 0 or 1");
  const PairTask task{codes.data(), n,    base.data(),    place.data(),   channel.data(), table.data(), offsets.data(),
                      runs,         depth, depth_step, weights.data(), nonzero.data(), weight_size,  input_size};
  nb::gil_scoped_release release;
  require(count_pairs(task, std::max(1, threads), neurons.data(), group_sums.data()), "an input code is out of range");
}

// addends: per neuron; found: rows of stages, rounds and moves.
void schedule(Row<std::int64_t> addends, std::int64_t lanes,
              nb::ndarray<std::int64_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu> found) {
  require(lanes > 0, "at least one lane");
  require(found.shape(0) == 3 && found.shape(1) == addends.size(), "found has another shape");
  const std::size_t n = addends.size();
  for (std::size_t i = 0; i < n; ++i) {
    require(addends.data()[i] >= 0, "no negative number of addends");
    const Schedule one = reduction_schedule(addends.data()[i], lanes);
    found.data()[i] = one.stages;
    found.data()[n + i] = one.rounds;
    found.data()[2 * n + i] = one.moves;
  }
}

}  // namespace

void bind_machine(nb::module_& m) {
  m.def("count_pairs", &count, "codes"_a, "base"_a, "offsets"_a, "place"_a, "depth"_a, "depth_step"_a, "weights"_a,
        "channel"_a, "nonzero"_a, "table"_a, "weight_size"_a, "input_size"_a, "threads"_a, "neurons"_a, "group_sums"_a);
  m.def("reduction_schedule", &schedule, "addends"_a, "lanes"_a, "found"_a);
}

}  // namespace rapidnn
