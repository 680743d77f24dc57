// Python's view of a packed network: edges and steps are added as arrays, then batches are run.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "bindings.h"
#include "network.h"
#include "pack.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rapidnn {
namespace {

template <typename T>
using Array = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename T>
std::vector<T> copy(const Array<T>& array) {
  return std::vector<T>(array.data(), array.data() + array.size());
}

std::vector<ThresholdTree> trees(const Array<std::int32_t>& thresholds, const Array<std::uint8_t>& codes, int sets) {
  if (codes.size() != thresholds.size() + static_cast<std::size_t>(sets))
    throw std::invalid_argument("codes do not fit thresholds");
  return make_trees(thresholds.data(), thresholds.size() / static_cast<std::size_t>(sets), codes.data(), sets);
}

// The fastest first.
const std::vector<const Kernels*>& all_kernels() {
  static const std::vector<const Kernels*> kAll = [] {
    std::vector<const Kernels*> found;
    for (const Kernels* kernels : {amx_kernels(), avx512_kernels(), avx2_kernels(), portable_kernels()})
      if (kernels != nullptr) found.push_back(kernels);
    return found;
  }();
  return kAll;
}

// Those that the environment asks for, else the fastest.
const Kernels& kernels_to_use() {
  const char* asked = std::getenv("RAPIDNN_KERNELS");
  if (asked == nullptr || *asked == 0) return *all_kernels().front();
  std::string names;
  for (const Kernels* kernels : all_kernels()) {
    if (std::strcmp(asked, kernels->name) == 0) return *kernels;
    names += (names.empty() ? "" : ", ") + std::string(kernels->name);
  }
  throw std::invalid_argument("RAPIDNN_KERNELS=" + std::string(asked) + ": this machine has " + names);
}

struct PyNetwork {
  Network net;

  int add_edge(std::int64_t elements, bool accumulator) {
    net.edges.push_back({elements, accumulator});
    return static_cast<int>(net.edges.size()) - 1;
  }

  Step& add(Step::Kind kind, int out) {
    net.steps.emplace_back();
    net.steps.back().kind = kind;
    net.steps.back().out = out;
    net.steps.back().sink.edge = out;
    return net.steps.back();
  }

  void encode_input(int out, Array<std::int32_t> place, Array<std::int32_t> thresholds, Array<std::uint8_t> codes) {
    Step& step = add(Step::kEncodeInput, out);
    step.place = copy(place);
    step.tree = trees(thresholds, codes, 1)[0];
  }

  void encode(int out, int source, Array<std::int32_t> unit, Array<std::int32_t> thresholds, Array<std::uint8_t> codes,
              int sets) {
    Step& step = add(Step::kEncode, out);
    step.source = source;
    step.unit = copy(unit);
    step.sink.trees = trees(thresholds, codes, sets);
  }

  // Let the last sum go straight to codes.
  void encode_last(Array<std::int32_t> thresholds, Array<std::uint8_t> codes, int sets) {
    Step& step = net.steps.back();
    Sink& sink = step.kind == Step::kWeighted ? step.weighted.sink : step.sink;
    sink.encoded = true;
    sink.trees = trees(thresholds, codes, sets);
  }

  void weighted(int out, int source, int channels, int groups, int sets, Array<std::int32_t> first,
                Array<std::int32_t> place, Array<std::int32_t> base, int places, int taps, Array<std::int32_t> bias,
                Array<std::uint8_t> blocks, Array<std::int32_t> whole, int weight_size, int input_size,
                bool in_parts) {
    Step& step = add(Step::kWeighted, out);
    Weighted& w = step.weighted;
    w.source = source;
    w.channels = channels;
    w.groups = groups;
    w.sets = sets;
    w.walk = {copy(first), copy(place), copy(base), places, taps};
    w.bias = copy(bias);
    w.blocks = copy(blocks);
    w.whole = copy(whole);
    w.weight_size = weight_size;
    w.input_size = input_size;
    w.in_parts = in_parts;
    w.sink.edge = out;
  }

  // bytes: sets x weight codes x planes x 64 with entries over input codes; by_input: input codes x planes x 64 with
  // entries over weight codes, empty where channels have codebooks of their own.
  void planes(Array<std::uint8_t> bytes, Array<std::int32_t> base, std::vector<int> shift,
              Array<std::uint8_t> by_input, Array<std::int32_t> input_base, std::vector<int> input_shift,
              Array<std::uint8_t> columns, int column_width) {
    Weighted& w = net.steps.back().weighted;
    w.planes = true;
    w.plain = make_lookup(w, {bytes.data(), base.data(), shift});
    if (by_input.size() != 0)
      w.by_input = plane_table({by_input.data(), input_base.data(), input_shift}, 0, static_cast<std::size_t>(w.input_size));
    w.columns = copy(columns);
    w.column_width = column_width;
    halve_columns(w);
  }

  // ranks x 256 operands; weights packed as Dot::factors has them.
  static Dot make_dot(const Weighted& w, const Array<std::int8_t>& weights, const Array<std::uint8_t>& operand,
                      const Array<std::int32_t>& correction, const Array<std::uint8_t>& zero) {
    Dot dot;
    dot.ranks = static_cast<int>(zero.size());
    dot.factors.assign(weights.data(), weights.data() + weights.size());
    const int outs = w.channels / w.groups, blocks = (outs + kLanes - 1) / kLanes;
    dot.quads = static_cast<int>(dot.factors.size() / (std::size_t{4} * kLanes * w.groups * blocks));
    dot.operand = copy(operand);
    dot.zero = copy(zero);
    dot.correction = copy(correction);
    for (std::size_t o = 0; o < dot.correction.size(); ++o) dot.correction[o] += w.bias[o];
    return dot;
  }

  void factors(Array<std::int8_t> weights, Array<std::uint8_t> operand, Array<std::int32_t> correction,
               Array<std::uint8_t> zero) {
    Weighted& w = net.steps.back().weighted;
    w.exact = make_dot(w, weights, operand, correction, zero);
  }

  // All of the products but a residual, and that: input codes x 64 entries over weight codes.
  void rough(Array<std::int8_t> weights, Array<std::uint8_t> operand, Array<std::int32_t> correction,
             Array<std::uint8_t> zero, Array<std::uint8_t> residual, Array<std::uint8_t> least, int least_offset,
             int segment) {
    Weighted& w = net.steps.back().weighted;
    w.rough = make_dot(w, weights, operand, correction, zero);
    w.residual.assign(residual.data(), residual.data() + residual.size());
    w.leaves_residual.assign(kTableSize, 0);
    for (std::size_t i = 0; i < residual.size(); ++i)
      if (residual.data()[i] != 0) w.leaves_residual[i / kTableSize] = 1;
    w.least_residual = copy(least);
    w.least_residual.resize(kTableSize);
    w.least_offset = least_offset;
    w.segment = segment;
  }

  void outer(Array<std::uint8_t> operand, Array<std::uint8_t> zero, Array<std::int8_t> weights,
             Array<std::int32_t> correction, Array<std::int32_t> image, Array<std::int32_t> run_start, int runs,
             int width, int row, int down, bool factors) {
    Weighted& w = net.steps.back().weighted;
    Outer& o = w.outer;
    o.ranks = static_cast<int>(zero.size());
    o.operand = copy(operand);
    o.zero = copy(zero);
    o.weights.assign(weights.data(), weights.data() + weights.size());
    o.correction = copy(correction);
    o.image = copy(image);
    o.run_start = copy(run_start);
    o.runs = runs;
    o.width = width;
    o.row = row;
    o.down = down;
    o.factors = factors;
    o.quads = (w.walk.taps + 3) / 4;
  }

  // What the last layer's outer products leave, as planes.
  void rest(Array<std::uint8_t> bytes, Array<std::int32_t> base, std::vector<int> shift) {
    Weighted& w = net.steps.back().weighted;
    w.outer.rest = true;
    w.outer.lookup = make_lookup(w, {bytes.data(), base.data(), shift});
  }

  // One more operand of the last sum that enters through one-row tables.
  void term(int edge, Array<std::int32_t> rows, int codes) {
    Step& step = net.steps.back();
    Ints padded = copy(rows);
    padded.resize(padded.size() + 64);  // kernels load whole vectors
    (step.kind == Step::kWeighted ? step.weighted.terms : step.terms).push_back({edge, codes, std::move(padded)});
  }

  void pooled(int out, int source, Array<std::int32_t> index, int taps, Array<std::int32_t> row,
              Array<std::int32_t> unit) {
    Step& step = add(Step::kPooled, out);
    step.windows = {source, taps, copy(index)};
    step.row = copy(row);
    step.unit = copy(unit);
  }

  void max_pool(int out, int source, Array<std::int32_t> index, int taps) {
    add(Step::kMaxPool, out).windows = {source, taps, copy(index), together(index, taps)};
  }

  // How many neighbouring elements have windows of neighbouring elements, all along the index.
  static int together(const Array<std::int32_t>& index, int taps) {
    const auto elements = static_cast<std::int64_t>(index.size()) / taps;
    const auto follows = [&](std::int64_t e, std::int64_t from) {
      for (int k = 0; k < taps; ++k) {
        const std::int32_t here = index.data()[e * taps + k], there = index.data()[from * taps + k];
        if (there < 0 ? here >= 0 : here != there + static_cast<std::int32_t>(e - from)) return false;
      }
      return true;
    };
    std::int64_t run = 1;
    while (run < elements && follows(run, 0)) ++run;
    if (elements % run != 0) return 1;
    for (std::int64_t e = 0; e < elements; ++e)
      if (!follows(e, e - e % run)) return 1;
    return static_cast<int>(run);
  }

  void code_sum(int out, Array<std::int32_t> offset) { add(Step::kCodeSum, out).offset = copy(offset); }

  void product(int out, int left, int right, Array<std::int32_t> index, Array<std::int32_t> table, int right_size) {
    Step& step = add(Step::kProduct, out);
    step.sources = {left, right};
    step.index = copy(index);
    step.row = copy(table);
    step.right_size = right_size;
  }

  void gather(int out, std::vector<int> sources, Array<std::int32_t> index, Array<std::uint8_t> recode, int pad_code) {
    Step& step = add(Step::kGather, out);
    step.sources = std::move(sources);
    step.index = copy(index);
    const auto count = static_cast<std::int32_t>(step.sources.size());
    step.together.assign(step.index.size(), 1);
    for (std::size_t e = step.index.size(); e-- > 1;) {
      const std::int32_t here = step.index[e], before = step.index[e - 1];
      if (before < 0 ? here < 0 : here == before + count) step.together[e - 1] = step.together[e] + 1;
    }
    step.recode = copy(recode);
    step.pad_code = static_cast<std::uint8_t>(pad_code);
  }

  void seal(int output, Array<std::int32_t> output_index) {
    net.output = output;
    net.output_index = copy(output_index);
    net.seal();
  }

  using Samples = nb::ndarray<const float, nb::numpy, nb::c_contig, nb::device::cpu>;  // the first axis is the samples'
  using Results = nb::ndarray<std::int32_t, nb::numpy, nb::c_contig, nb::device::cpu>;
  using Codes = nb::ndarray<std::uint8_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

  void run(Samples x, Results out, int threads, bool use_factors) { observe(x, out, threads, use_factors, {}, {}); }

  // Runs, and puts the codes of some edges, in storage order, into buffers of samples x elements.
  void observe(Samples x, Results out, int threads, bool use_factors, const std::vector<int>& watched,
               const std::vector<Codes>& buffers) {
    Watch watch(watched.empty() ? 0 : net.edges.size(), nullptr);
    if (buffers.size() != watched.size()) throw std::invalid_argument("a buffer for every watched edge");
    for (std::size_t i = 0; i < watched.size(); ++i) {
      const auto edge = static_cast<std::size_t>(watched[i]);
      if (edge >= net.edges.size() || net.edges[edge].accumulator) throw std::invalid_argument("not a code edge");
      if (buffers[i].shape(0) != x.shape(0) || static_cast<std::int64_t>(buffers[i].shape(1)) != net.edges[edge].elements)
        throw std::invalid_argument("a buffer has another shape than its edge");
      watch[edge] = buffers[i].data();
    }
    const Kernels& kernels = kernels_to_use();
    const std::size_t samples = x.ndim() > 0 ? x.shape(0) : 0;
    if (out.ndim() == 0 || out.shape(0) != samples || out.size() != samples * net.output_index.size())
      throw std::invalid_argument("the output has another shape");
    if (samples == 0) return;
    nb::gil_scoped_release release;
    net.run(x.data(), static_cast<std::int64_t>(samples), static_cast<std::int64_t>(x.size() / samples), out.data(),
            std::max(1, threads), kernels, use_factors, watch.empty() ? nullptr : &watch);
  }
};

std::vector<std::string> kernel_paths() {
  std::vector<std::string> found;
  for (const Kernels* kernels : all_kernels()) found.emplace_back(kernels->name);
  return found;
}

}  // namespace

void bind_network(nb::module_& m) {
  m.def("kernel_path", [] { return kernels_to_use().name; },
        "The instruction set to use: what RAPIDNN_KERNELS asks for, else the fastest. Raises ValueError.");
  m.def("kernel_paths", &kernel_paths, "Instruction sets this machine has kernels for, the fastest first.");
  nb::class_<PyNetwork>(m, "Network")
      .def(nb::init<>())
      .def_prop_rw(
          "taps_per_thread", [](const PyNetwork& self) { return self.net.taps_per_thread; },
          [](PyNetwork& self, std::int64_t taps) { self.net.taps_per_thread = std::max<std::int64_t>(1, taps); },
          "How many taps of one block of samples are worth a further thread.")
      .def("add_edge", &PyNetwork::add_edge, "elements"_a, "accumulator"_a)
      .def("encode_input", &PyNetwork::encode_input, "out"_a, "place"_a, "thresholds"_a, "codes"_a)
      .def("encode", &PyNetwork::encode, "out"_a, "source"_a, "unit"_a, "thresholds"_a, "codes"_a, "sets"_a)
      .def("encode_last", &PyNetwork::encode_last, "thresholds"_a, "codes"_a, "sets"_a)
      .def("weighted", &PyNetwork::weighted, "out"_a, "source"_a, "channels"_a, "groups"_a, "sets"_a, "first"_a,
           "place"_a, "base"_a, "places"_a, "taps"_a, "bias"_a, "blocks"_a, "whole"_a, "weight_size"_a, "input_size"_a,
           "in_parts"_a)
      .def("planes", &PyNetwork::planes, "table"_a, "base"_a, "shift"_a, "by_input"_a, "input_base"_a,
           "input_shift"_a, "columns"_a, "column_width"_a)
      .def("factors", &PyNetwork::factors, "weights"_a, "operand"_a, "correction"_a, "zero"_a)
      .def("rough", &PyNetwork::rough, "weights"_a, "operand"_a, "correction"_a, "zero"_a, "residual"_a,
           "least"_a, "least_offset"_a, "segment"_a)
      .def("outer", &PyNetwork::outer, "operand"_a, "zero"_a, "weights"_a, "correction"_a, "image"_a, "run_start"_a,
           "runs"_a, "width"_a, "row"_a, "down"_a, "factors"_a)
      .def("rest", &PyNetwork::rest, "table"_a, "base"_a, "shift"_a)
      .def("term", &PyNetwork::term, "edge"_a, "rows"_a, "codes"_a)
      .def("pooled", &PyNetwork::pooled, "out"_a, "source"_a, "index"_a, "taps"_a, "row"_a, "unit"_a)
      .def("max_pool", &PyNetwork::max_pool, "out"_a, "source"_a, "index"_a, "taps"_a)
      .def("code_sum", &PyNetwork::code_sum, "out"_a, "offset"_a)
      .def("product", &PyNetwork::product, "out"_a, "left"_a, "right"_a, "index"_a, "table"_a, "right_size"_a)
      .def("gather", &PyNetwork::gather, "out"_a, "sources"_a, "index"_a, "recode"_a, "pad_code"_a)
      .def("seal", &PyNetwork::seal, "output"_a, "output_index"_a)
      .def("run", &PyNetwork::run, "x"_a, "out"_a, "threads"_a, "use_factors"_a)
      .def("observe", &PyNetwork::observe, "x"_a, "out"_a, "threads"_a, "use_factors"_a, "watched"_a, "buffers"_a);
}

}  // namespace rapidnn
