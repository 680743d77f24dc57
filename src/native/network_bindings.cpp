// Python's view of a packed network: edges and steps are added as arrays, then batches are run.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "bindings.h"
#include "network.h"

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

// The tree in 16 bits, if it has one: thresholds shifted until they fit must still differ.
void narrow(ThresholdTree& tree, const std::int32_t* sorted, std::size_t m) {
  if (tree.depth < 3 || tree.depth > 6) return;
  while (m > 0 && ((sorted[m - 1] >> tree.shift) >= INT16_MAX || (sorted[0] >> tree.shift) <= INT16_MIN)) ++tree.shift;
  tree.levels.assign(6 * 32 + 64, INT16_MAX);
  tree.sorted.assign(64, INT32_MAX);
  for (std::size_t i = 0; i < m; ++i) {
    if (i > 0 && tree.shift > 0 && sorted[i] >> tree.shift == sorted[i - 1] >> tree.shift) return;
    tree.levels[192 + i] = static_cast<std::int16_t>(sorted[i] >> tree.shift);
    tree.sorted[i] = sorted[i];
  }
  for (int level = 0; level < tree.depth; ++level)
    for (std::size_t j = 0; j < (std::size_t{1} << level); ++j) {
      const std::int32_t node = tree.nodes[(std::size_t{1} << level) - 1 + j];
      const bool filler = (2 * j + 1) * (std::size_t{1} << (tree.depth - level - 1)) - 1 >= m;
      tree.levels[32 * static_cast<std::size_t>(level) + j] =
          filler ? INT16_MAX : static_cast<std::int16_t>(node >> tree.shift);
    }
  tree.narrow = true;
}

// Thresholds (sets x m, ascending) and codes (sets x (m + 1)) as complete search trees.
std::vector<ThresholdTree> make_trees(const Array<std::int32_t>& thresholds, const Array<std::uint8_t>& codes, int sets) {
  const std::size_t m = thresholds.size() / static_cast<std::size_t>(sets);
  if (codes.size() != (m + 1) * static_cast<std::size_t>(sets)) throw std::invalid_argument("codes do not fit thresholds");
  std::vector<ThresholdTree> trees(static_cast<std::size_t>(sets));
  for (int t = 0; t < sets; ++t) {
    ThresholdTree& tree = trees[static_cast<std::size_t>(t)];
    while ((std::size_t{1} << tree.depth) < m + 1) ++tree.depth;
    const std::size_t leaves = std::size_t{1} << tree.depth;
    const std::int32_t* sorted = thresholds.data() + static_cast<std::size_t>(t) * m;
    const std::uint8_t* code = codes.data() + static_cast<std::size_t>(t) * (m + 1);
    tree.nodes.assign(std::max<std::size_t>(leaves, 64), INT32_MAX);
    for (int level = 0; level < tree.depth; ++level)
      for (std::size_t j = 0; j < (std::size_t{1} << level); ++j) {
        const std::size_t rank = (2 * j + 1) * (leaves >> (level + 1)) - 1;
        if (rank < m) tree.nodes[(std::size_t{1} << level) - 1 + j] = sorted[rank];
      }
    for (std::size_t i = 0; i < std::max<std::size_t>(leaves, 64); ++i) tree.codes.push_back(code[std::min(i, m)]);
    narrow(tree, sorted, m);
  }
  return trees;
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
    step.tree = make_trees(thresholds, codes, 1)[0];
  }

  void encode(int out, int source, Array<std::int32_t> unit, Array<std::int32_t> thresholds, Array<std::uint8_t> codes,
              int sets) {
    Step& step = add(Step::kEncode, out);
    step.source = source;
    step.unit = copy(unit);
    step.sink.trees = make_trees(thresholds, codes, sets);
  }

  // Let the last sum go straight to codes.
  void encode_last(Array<std::int32_t> thresholds, Array<std::uint8_t> codes, int sets) {
    Step& step = net.steps.back();
    Sink& sink = step.kind == Step::kWeighted ? step.weighted.sink : step.sink;
    sink.encoded = true;
    sink.trees = make_trees(thresholds, codes, sets);
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

  static PlaneTable plane_table(const Array<std::uint8_t>& bytes, const Array<std::int32_t>& base, const std::vector<int>& shift, std::size_t from,
                                std::size_t rows) {
    PlaneTable table;
    table.planes = static_cast<int>(shift.size());
    for (std::size_t p = 0; p < shift.size(); ++p) table.shift[p] = shift[p];
    const std::size_t row = shift.size() * kTableSize;
    const std::uint8_t* data = bytes.data() + from * row;
    table.base.assign(base.data() + from, base.data() + from + rows);
    table.bytes.assign(data, data + rows * row);
    for (std::size_t r = 0; r < rows; ++r) table.peak.push_back(*std::max_element(data + r * row, data + (r + 1) * row));
    return table;
  }

  // bytes: sets x weight codes x planes x 64 with entries over input codes; by_input: input codes x planes x 64 with
  // entries over weight codes, empty where channels have codebooks of their own.
  void planes(Array<std::uint8_t> bytes, Array<std::int32_t> base, std::vector<int> shift,
              Array<std::uint8_t> by_input, Array<std::int32_t> input_base, std::vector<int> input_shift,
              Array<std::uint8_t> columns, int column_width) {
    Weighted& w = net.steps.back().weighted;
    w.planes = true;
    w.plain = make_lookup(w, bytes, base, shift);
    if (by_input.size() != 0)
      w.by_input = plane_table(by_input, input_base, input_shift, 0, static_cast<std::size_t>(w.input_size));
    w.columns = copy(columns);
    w.column_width = column_width;
    if (w.weight_size <= kHalf && w.walk.positions() == 1 && w.columns.size() > kLarge) halve_columns(w);
  }

  static constexpr int kHalf = 16;                       // codes of half a byte
  static constexpr std::size_t kLarge = std::size_t{1} << 20;  // bytes that a core's cache does not hold

  static void halve_columns(Weighted& w) {
    const auto width = static_cast<std::size_t>(w.column_width), halved = w.halves_width();
    const std::size_t rows = w.columns.size() / width;
    w.halves.assign(rows * halved, 0);
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t c = 0; c < width; ++c)
        w.halves[row * halved + c / (2 * kLanes) * kLanes + c % kLanes] |=
            static_cast<std::uint8_t>(w.columns[row * width + c] << (c / kLanes % 2 * 4));
    std::uint8_t* table = w.by_input.bytes.data();
    for (std::size_t i = 0; i < w.by_input.bytes.size(); ++i)
      if (i % kTableSize >= kHalf) table[i] = table[i - kHalf];
  }

  static Lookup make_lookup(const Weighted& w, const Array<std::uint8_t>& bytes, const Array<std::int32_t>& base,
                            const std::vector<int>& shift) {
    Lookup lookup;
    const auto rows = static_cast<std::size_t>(w.weight_size);
    for (int s = 0; s < w.sets; ++s)
      lookup.tables.push_back(plane_table(bytes, base, shift, static_cast<std::size_t>(s) * rows, rows));
    cut_segments(w, lookup);
    return lookup;
  }

  // How many taps of a place may be added in 8 bits: places are cut into equal segments, as few as keep the peaks of
  // every segment at a sum of at most 255. And what the places' rows have for a base.
  static void cut_segments(const Weighted& w, Lookup& lookup) {
    const int taps = w.walk.taps;
    lookup.segment = taps;
    int heaviest = 1;  // load of a whole place
    each_channel(w, lookup, [&](const PlaneTable& table, const std::uint8_t* codes) {
      std::int32_t base = 0;
      int load = 0;
      for (int k = 0; k < taps; ++k) {
        base += table.base[codes[k * kScalars]];
        load += table.peak[codes[k * kScalars]];
      }
      heaviest = std::max(heaviest, load);
      lookup.base.push_back(base);
    });
    // Shorter segments end elsewhere, so what longer ones carried is looked at again until all carry one length.
    for (int before = 0; before != lookup.segment;) {
      before = lookup.segment;
      each_channel(w, lookup, [&](const PlaneTable& table, const std::uint8_t* codes) {
        while (!carries(table, codes, taps, lookup.segment)) {
          const int parts = (taps + lookup.segment - 1) / lookup.segment + 1;
          lookup.segment = std::min(lookup.segment - 1, (taps + parts - 1) / parts);
        }
      });
    }
    lookup.runs_together = lookup.segment == taps ? 255 / heaviest : 1;
  }

  // Every channel of every block and place: its table, and its codes, kScalars apart.
  template <class Action>
  static void each_channel(const Weighted& w, const Lookup& lookup, const Action& action) {
    const int outs = w.channels / w.groups, blocks = (outs + kScalars - 1) / kScalars;
    const std::uint8_t* codes = w.blocks.data();
    for (int row = 0; row < w.groups * blocks * w.walk.places; ++row, codes += std::ptrdiff_t{w.walk.taps} * kScalars)
      for (int m = 0; m < kScalars; ++m) {
        const int block = row / w.walk.places;
        const int channel = std::min(block / blocks * outs + block % blocks * kScalars + m, w.channels - 1);
        action(lookup.tables[w.sets > 1 ? static_cast<std::size_t>(channel) : 0], codes + m);
      }
  }

  // Whether 8 bits carry every segment of one channel's taps.
  static bool carries(const PlaneTable& table, const std::uint8_t* codes, int taps, int segment) {
    for (int k = 0; k < taps;) {
      int load = 0;
      for (const int end = std::min(taps, k + segment); k < end; ++k) load += table.peak[codes[k * kScalars]];
      if (load > 255) return false;
    }
    return true;
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

  // All of the products but a residual, and that: (input codes + 1) x 64 entries over weight codes.
  void rough(Array<std::int8_t> weights, Array<std::uint8_t> operand, Array<std::int32_t> correction,
             Array<std::uint8_t> zero, Array<std::uint8_t> residual, int segment) {
    Weighted& w = net.steps.back().weighted;
    w.rough = make_dot(w, weights, operand, correction, zero);
    w.residual.assign(residual.data(), residual.data() + residual.size());
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
    w.outer.lookup = make_lookup(w, bytes, base, shift);
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

  using Samples = nb::ndarray<const float, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
  using Results = nb::ndarray<std::int32_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
  using Codes = nb::ndarray<std::uint8_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

  void run(Samples x, Results out, int threads, const std::string& path, bool use_factors) {
    observe(x, out, threads, path, use_factors, {}, {});
  }

  // Runs, and puts the codes of some edges, in storage order, into buffers of samples x elements.
  void observe(Samples x, Results out, int threads, const std::string& path, bool use_factors,
               const std::vector<int>& watched, const std::vector<Codes>& buffers) {
    Watch watch(watched.empty() ? 0 : net.edges.size(), nullptr);
    if (buffers.size() != watched.size()) throw std::invalid_argument("a buffer for every watched edge");
    for (std::size_t i = 0; i < watched.size(); ++i) {
      const auto edge = static_cast<std::size_t>(watched[i]);
      if (edge >= net.edges.size() || net.edges[edge].accumulator) throw std::invalid_argument("not a code edge");
      if (buffers[i].shape(0) != x.shape(0) || static_cast<std::int64_t>(buffers[i].shape(1)) != net.edges[edge].elements)
        throw std::invalid_argument("a buffer has another shape than its edge");
      watch[edge] = buffers[i].data();
    }
    const Kernels* kernels = nullptr;
    for (const Kernels* k : {amx_kernels(), avx512_kernels(), avx2_kernels(), portable_kernels()})
      if (k != nullptr && path == k->name) kernels = k;
    if (kernels == nullptr) throw std::invalid_argument("no such kernels on this machine: " + path);
    if (out.shape(0) != x.shape(0) || out.shape(1) != net.output_index.size())
      throw std::invalid_argument("the output has another shape");
    nb::gil_scoped_release release;
    net.run(x.data(), static_cast<std::int64_t>(x.shape(0)), static_cast<std::int64_t>(x.shape(1)), out.data(),
            std::max(1, threads), *kernels, use_factors, watch.empty() ? nullptr : &watch);
  }
};

std::vector<std::string> kernel_paths() {
  std::vector<std::string> found;
  for (const Kernels* kernels : {amx_kernels(), avx512_kernels(), avx2_kernels(), portable_kernels()})
    if (kernels != nullptr) found.emplace_back(kernels->name);
  return found;
}

}  // namespace

void bind_network(nb::module_& m) {
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
      .def("rough", &PyNetwork::rough, "weights"_a, "operand"_a, "correction"_a, "zero"_a, "residual"_a, "segment"_a)
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
      .def("run", &PyNetwork::run, "x"_a, "out"_a, "threads"_a, "path"_a, "use_factors"_a)
      .def("observe", &PyNetwork::observe, "x"_a, "out"_a, "threads"_a, "path"_a, "use_factors"_a, "watched"_a,
           "buffers"_a);
}

}  // namespace rapidnn
