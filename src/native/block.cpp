#include "block.h"

#include <algorithm>
#include <cstring>

namespace rapidnn {

constexpr std::int64_t kPatchBytes = 4 << 20, kMostPanels = 4;
constexpr int kTapsAtOnce = 384;  // their weight codes stay in the nearest cache

std::uint8_t* Arena::take(std::size_t bytes) {
  Buffer* best = nullptr;
  for (Buffer& b : buffers_)
    if (b.free && b.size >= bytes && (best == nullptr || b.size < best->size)) best = &b;
  if (best == nullptr) {
    // One vector more than asked for: kernels load and store whole vectors.
    storage_.emplace_back(bytes + 3 * kLanes * sizeof(std::int32_t));
    auto address = reinterpret_cast<std::uintptr_t>(storage_.back().data());
    auto* data = reinterpret_cast<std::uint8_t*>((address + 63) & ~std::uintptr_t{63});
    buffers_.push_back({data, bytes, true});
    best = &buffers_.back();
  }
  best->free = false;
  return best->data;
}

void Arena::give(std::uint8_t* buffer) {
  for (Buffer& b : buffers_)
    if (b.data == buffer) b.free = true;
}

Block::Block(const Network& network, const Kernels& kernels, bool use_factors, Arena& arena, const Watch* watch)
    : net_(network), kernels_(kernels), use_factors_(use_factors), arena_(arena), watch_(watch) {}

void Block::run(const float* x, std::int64_t inputs, int lanes, int count, std::int32_t* out) {
  lanes_ = lanes;
  at_.assign(net_.edges.size(), nullptr);
  left_ = net_.readers_;
  scratch_.resize(std::max<std::size_t>(scratch_.size(), kScalars * 2 * kLanes + kLanes));
  const int samples = lanes == 1 ? count : 1;
  for (std::size_t i = 0; i < net_.steps.size(); ++i) {
    const Step& step = net_.steps[i];
    const EdgeInfo& info = net_.edges[static_cast<std::size_t>(step.out)];
    const auto size = static_cast<std::size_t>(info.elements * lanes * samples) * (info.accumulator ? 4 : 1);
    at_[static_cast<std::size_t>(step.out)] = arena_.take(size);
    const Dot* dot = step.kind == Step::kWeighted && lanes == 1 ? dot_of(step.weighted, samples) : nullptr;
    if (dot != nullptr) {
      weighted_dots(step.weighted, *dot, samples);
    } else {
      for (sample_ = 0; sample_ < samples; ++sample_) run_step(step, x + sample_ * inputs, inputs, count);
    }
    sample_ = 0;
    if (watch_ != nullptr) show(step.out, count);
    for (int edge : net_.reads_[i]) release(edge);
  }
  const bool wide = net_.edges[static_cast<std::size_t>(net_.output)].accumulator;
  const auto outputs = static_cast<std::int64_t>(net_.output_index.size());
  for (int n = 0; n < count; ++n) {
    sample_ = lanes == 1 ? n : 0;
    for (std::int64_t i = 0; i < outputs; ++i) {
      const std::int64_t element = net_.output_index[static_cast<std::size_t>(i)];
      const std::int64_t from = lanes == 1 ? element : element * lanes + n;
      out[n * outputs + i] = wide ? sums(net_.output)[from] : codes(net_.output)[from];
    }
  }
  sample_ = 0;
  for (std::uint8_t* buffer : at_)
    if (buffer != nullptr) arena_.give(buffer);
}

void Block::run_step(const Step& step, const float* x, std::int64_t inputs, int count) {
  switch (step.kind) {
    case Step::kEncodeInput: encode_input(step, x, inputs, count); break;
    case Step::kWeighted: weighted(step.weighted); break;
    case Step::kPooled: pooled(step); break;
    case Step::kCodeSum: code_sum(step); break;
    case Step::kProduct: product(step); break;
    case Step::kEncode: encode(step); break;
    case Step::kMaxPool: max_pool(step); break;
    case Step::kGather: gather(step); break;
  }
}

void Block::release(int edge) {
  auto e = static_cast<std::size_t>(edge);
  if (--left_[e] == 0) {
    arena_.give(at_[e]);
    at_[e] = nullptr;
  }
}

void Block::encode_input(const Step& step, const float* x, std::int64_t inputs, int count) {
  std::uint8_t* out = codes(step.out);
  std::int32_t keys[2 * kLanes];
  const std::size_t n = step.index.size();
  // With one lane elements are gathered by the vector; with more, the samples are.
  const int width = lanes_ == 1 ? 2 * kLanes : lanes_;
  for (std::size_t e = 0; e < n; e += lanes_ == 1 ? static_cast<std::size_t>(width) : 1) {
    const int used = lanes_ == 1 ? static_cast<int>(std::min<std::size_t>(width, n - e)) : lanes_;
    for (int lane = 0; lane < used; ++lane) {
      const float value = lanes_ == 1 ? x[step.index[e + static_cast<std::size_t>(lane)]]
                                      : x[(lane < count ? lane : 0) * inputs + step.index[e]];
      const float plain = value + 0.0f;  // -0 becomes +0
      std::int32_t bits;
      std::memcpy(&bits, &plain, sizeof bits);
      keys[lane] = bits ^ ((bits >> 31) & 0x7FFFFFFF);  // ascends with the value
    }
    kernels_.search(step.tree, keys, out + e * static_cast<std::size_t>(lanes_), static_cast<std::size_t>(used));
  }
}

void Block::add_terms(const std::vector<Term>& terms, std::int64_t element, int unit, std::int32_t* row) {
  for (const Term& term : terms) {
    const std::int32_t* rows = term.rows.data() + std::int64_t{unit} * term.codes;
    const std::uint8_t* from = codes(term.edge) + element * lanes_;
    kernels_.add_entries(rows, term.codes, from, row, static_cast<std::size_t>(lanes_));
  }
}

void Block::emit(const Sink& sink, std::int64_t element, int unit, std::int32_t* row) {
  if (!sink.encoded) {
    std::memcpy(sums(sink.edge) + element * lanes_, row, sizeof(std::int32_t) * static_cast<std::size_t>(lanes_));
    return;
  }
  const ThresholdTree& tree = sink.trees[sink.trees.size() > 1 ? static_cast<std::size_t>(unit) : 0];
  kernels_.search(tree, row, codes(sink.edge) + element * lanes_, static_cast<std::size_t>(lanes_));
}

void Block::weighted(const Weighted& layer) {
  if (lanes_ > 1 && layer.planes) {
    weighted_samples(layer);
  } else if (lanes_ == 1 && layer.planes && layer.sets == 1) {
    weighted_channels(layer);
  } else {
    weighted_whole(layer);
  }
}

void Block::weighted_samples(const Weighted& layer) {
  const int outs = layer.channels / layer.groups, blocks = (outs + kScalars - 1) / kScalars;
  const int vectors = lanes_ / kLanes, taps = layer.walk.taps, places = layer.walk.places;
  std::vector<Run> runs(static_cast<std::size_t>(places));
  LookupTask task{};
  task.runs = runs.data();
  task.vector_step = lanes_;
  task.sums = scratch_.data();
  for (int p = 0; p < layer.walk.positions(); ++p) {
    const int from = layer.walk.first[static_cast<std::size_t>(p)];
    task.run_count = layer.walk.first[static_cast<std::size_t>(p) + 1] - from;
    for (int g = 0; g < layer.groups; ++g)
      for (int b = 0; b < blocks; ++b) {
        const std::size_t block = static_cast<std::size_t>(g) * blocks + b;
        for (int r = 0; r < task.run_count; ++r) {
          const std::size_t place = static_cast<std::size_t>(layer.walk.place[static_cast<std::size_t>(from + r)]);
          const std::int64_t base = layer.walk.base[static_cast<std::size_t>(from + r)] + std::int64_t{g} * taps;
          runs[static_cast<std::size_t>(r)] = {
              layer.blocks.data() + (block * places + place) * taps * kScalars, codes(layer.source) + base * lanes_,
              taps, layer.segments.data() + layer.segment_start[block * places + place]};
        }
        const int first = g * outs + b * kScalars;
        for (int m = 0; m < kScalars; ++m) {
          const int channel = std::min(first + m, layer.channels - 1);
          const PlaneTable& table = layer.by_weight[layer.sets > 1 ? static_cast<std::size_t>(channel) : 0];
          task.tables[m] = table.bytes.data();
          task.planes = table.planes;
          task.shift = table.shift;
        }
        task.entries = layer.input_size;
        kernels_.lookup(task, vectors);
        for (int m = 0; m < kScalars && b * kScalars + m < outs; ++m) {
          const int channel = first + m;
          std::int32_t* row = scratch_.data() + m * lanes_;
          std::int32_t bias = layer.bias[static_cast<std::size_t>(channel)];
          for (int r = from; r < from + task.run_count; ++r) {
            const auto place = static_cast<std::size_t>(layer.walk.place[static_cast<std::size_t>(r)]);
            bias += layer.base[(block * places + place) * kScalars + static_cast<std::size_t>(m)];
          }
          for (int lane = 0; lane < lanes_; ++lane) row[lane] += bias;
          const std::int64_t element = std::int64_t{p} * layer.channels + channel;
          const int unit = layer.sets > 1 ? channel : 0;
          add_terms(layer.terms, element, unit, row);
          emit(layer.sink, element, unit, row);
        }
      }
  }
}

void Block::emit_channels(const Weighted& layer, std::int64_t element, int channel, int count, std::int32_t* row,
                          const Ints& added) {
  for (int i = 0; i < count; ++i) row[i] += added[static_cast<std::size_t>(channel + i)];
  for (const Term& term : layer.terms) {
    const std::uint8_t* from = codes(term.edge) + element;
    if (layer.sets == 1) {
      kernels_.add_entries(term.rows.data(), term.codes, from, row, static_cast<std::size_t>(count));
      continue;
    }
    for (int i = 0; i < count; ++i)
      row[i] += term.rows[static_cast<std::size_t>(std::int64_t{channel + i} * term.codes + from[i])];
  }
  if (!layer.sink.encoded) {
    std::memcpy(sums(layer.sink.edge) + element, row, sizeof(std::int32_t) * static_cast<std::size_t>(count));
    return;
  }
  std::uint8_t* to = codes(layer.sink.edge) + element;
  if (layer.sink.trees.size() == 1) {
    kernels_.search(layer.sink.trees[0], row, to, static_cast<std::size_t>(count));
    return;
  }
  for (int i = 0; i < count; ++i)
    portable_kernels()->search(layer.sink.trees[static_cast<std::size_t>(channel + i)], row + i, to + i, 1);
}

void Block::weighted_channels(const Weighted& layer) {
  const int outs = layer.channels / layer.groups;
  ListTask task{};
  task.taps = &taps_;
  task.planes = layer.by_input.planes;
  task.shift = layer.by_input.shift;
  task.entries = layer.weight_size;
  task.sums = scratch_.data();
  for (int p = 0; p < layer.walk.positions(); ++p)
    for (int g = 0; g < layer.groups; ++g) {
      const std::int32_t base = list_taps(layer, p, g);
      for (int o = 0; o < outs; o += kListVectors * kLanes) {
        const int count = std::min(kListVectors * kLanes, outs - o), channel = g * outs + o;
        task.offset = o;
        kernels_.lookup_list(task, (count + kLanes - 1) / kLanes);
        for (int i = 0; i < count; ++i) task.sums[i] += base;
        emit_channels(layer, std::int64_t{p} * layer.channels + channel, channel, count, task.sums, layer.bias);
      }
    }
}

// The taps of a position that are not constant over all weights (a zero input is), and the sum of the rows' base.
std::int32_t Block::list_taps(const Weighted& layer, int position, int group) {
  const int taps = layer.walk.taps, places = layer.walk.places;
  const std::int64_t width = layer.column_width;
  const std::size_t row = static_cast<std::size_t>(layer.by_input.planes) * kTableSize;
  taps_.rows.clear();
  taps_.vectors.clear();
  taps_.segments.clear();
  std::int32_t base = 0;
  int load = 0, length = 0;
  const int from = layer.walk.first[static_cast<std::size_t>(position)];
  const int to = layer.walk.first[static_cast<std::size_t>(position) + 1];
  for (int r = from; r < to; ++r) {
    const auto place = static_cast<std::size_t>(layer.walk.place[static_cast<std::size_t>(r)]);
    const std::uint8_t* in =
        codes(layer.source) + layer.walk.base[static_cast<std::size_t>(r)] + std::int64_t{group} * taps;
    const std::uint8_t* column = layer.columns.data() + (static_cast<std::size_t>(group) * places + place) * taps * width;
    for (int k = 0; k < taps; ++k, column += width) {
      base += layer.by_input.base[in[k]];
      const int peak = layer.by_input.peak[in[k]];
      if (peak == 0) continue;
      if (load + peak > 255 || length == 65535) {
        taps_.segments.push_back(static_cast<std::uint16_t>(length));
        load = length = 0;
      }
      load += peak;
      ++length;
      taps_.rows.push_back(layer.by_input.bytes.data() + in[k] * row);
      taps_.vectors.push_back(column);
    }
  }
  if (length > 0) taps_.segments.push_back(static_cast<std::uint16_t>(length));
  return base;
}

// The byte dot products to use, if any. With few rows, looking everything up is faster than looking up a residual.
const Dot* Block::dot_of(const Weighted& layer, int samples) const {
  if (use_factors_ && layer.exact.ranks > 0) return &layer.exact;
  const bool worth = std::int64_t{layer.walk.positions()} * samples >= kResidualRows;
  return worth && layer.rough.ranks > 0 && kernels_.takes_residuals() ? &layer.rough : nullptr;
}

// Rows are positions of all samples. As many as fit the cache are decoded before the channels go over them, so that
// large layers read their weights once for many rows.
void Block::weighted_dots(const Weighted& layer, const Dot& dot, int samples) {
  const int outs = layer.channels / layer.groups, blocks = (outs + kLanes - 1) / kLanes;
  const int taps = layer.walk.places * layer.walk.taps;
  const bool rest = &dot == &layer.rough;
  // A cache line more than the weights have, so that rows do not fall on the same sets of the cache.
  const std::ptrdiff_t row = std::ptrdiff_t{dot.quads} * 4 + kLanes;
  const std::int64_t positions = layer.walk.positions(), all = positions * samples;
  const std::int64_t bytes = row + (rest ? 2 * taps : 0);
  const std::int64_t most = std::clamp<std::int64_t>(kPatchBytes / (bytes * kMostPanel), 1, kMostPanels) * kMostPanel;
  patch_.resize(static_cast<std::size_t>(row * most) + kLanes);
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(most * kLanes) + kLanes));
  if (rest) rows_.resize(static_cast<std::size_t>(taps * most));
  for (std::int64_t q = 0; q < all; q += most)
    for (int g = 0; g < layer.groups; ++g) {
      const std::int64_t rows = std::min(most, all - q);
      for (std::int64_t m = 0; m < rows; ++m)
        fill_patch(layer, dot, (q + m) / positions, (q + m) % positions, g, patch_.data() + m * row,
                   rest ? rows_.data() + m * taps : nullptr);
      for (int b = 0; b < blocks; ++b) {
        const std::int8_t* w = dot.factors.data() + (static_cast<std::size_t>(g) * blocks + b) * dot.quads * 4 * kLanes;
        const std::uint8_t* columns =
            layer.columns.data() + static_cast<std::size_t>(g) * taps * layer.column_width + b * kLanes;
        const int channel = g * outs + b * kLanes, count = std::min(kLanes, outs - b * kLanes);
        add_dots(w, row, static_cast<int>(rows), (dot.ranks * taps + 3) / 4, (count + 15) / 16);
        if (rest) add_residuals(layer, columns, static_cast<int>(rows), taps);
        finish_rows(layer, dot, q, static_cast<int>(rows), channel, count);
      }
    }
  sample_ = 0;
}

// Sums of a block of channels for all rows, a piece of the taps at a time.
void Block::add_dots(const std::int8_t* w, std::ptrdiff_t row, int rows, int quads, int vectors) {
  for (int k = 0; k < quads; k += kernels_.quads_at_once) {
    const int now = std::min(kernels_.quads_at_once, quads - k);
    for (int p = 0; p < rows; p += kernels_.panel)
      kernels_.dot(patch_.data() + p * row + std::ptrdiff_t{4} * k, row, w + std::ptrdiff_t{4} * k * kLanes, now,
                   std::min(kernels_.panel, rows - p), vectors, k > 0, scratch_.data() + std::ptrdiff_t{p} * kLanes);
  }
}

// What dot products leave over, for a block of channels and all rows, a piece of the taps at a time.
void Block::add_residuals(const Weighted& layer, const std::uint8_t* columns, int rows, int taps) {
  for (int k = 0; k < taps; k += kTapsAtOnce)
    for (int m = 0; m < rows; m += kResidualRows)
      kernels_.residual(rows_.data() + std::ptrdiff_t{m} * taps + k, taps, columns + std::ptrdiff_t{k} * layer.column_width,
                        layer.column_width, layer.residual.data(), std::min(kTapsAtOnce, taps - k), layer.segment,
                        std::min(kResidualRows, rows - m), scratch_.data() + std::ptrdiff_t{m} * kLanes);
}

// Neighbouring channels of some rows, from their sums to what the layer makes of them.
void Block::finish_rows(const Weighted& layer, const Dot& dot, std::int64_t first, int rows, int channel, int count) {
  const std::int64_t positions = layer.walk.positions();
  if (layer.terms.empty() && layer.sink.encoded && layer.sink.trees.size() == 1) {
    // Samples lie one after the other, so rows do too.
    kernels_.search_rows(layer.sink.trees[0], scratch_.data(), dot.correction.data() + channel, rows,
                         static_cast<std::size_t>(count),
                         codes_of(layer.sink.edge, 0) + first * layer.channels + channel, layer.channels);
    return;
  }
  for (int m = 0; m < rows; ++m) {
    sample_ = (first + m) / positions;
    emit_channels(layer, (first + m) % positions * layer.channels + channel, channel, count, scratch_.data() + m * kLanes,
                  dot.correction);
  }
}

// The operands of one neuron's inputs, the padded ones zero, and their rows of the residual table if it is used. Places
// whose taps follow each other are decoded together.
void Block::fill_patch(const Weighted& layer, const Dot& dot, std::int64_t sample, std::int64_t position, int group,
                       std::uint8_t* patch, std::uint16_t* rows) {
  const int taps = layer.walk.taps, places = layer.walk.places;
  const std::ptrdiff_t all = std::ptrdiff_t{places} * taps;
  const auto from = static_cast<std::size_t>(layer.walk.first[static_cast<std::size_t>(position)]);
  const auto to = static_cast<std::size_t>(layer.walk.first[static_cast<std::size_t>(position) + 1]);
  if (to - from < static_cast<std::size_t>(places)) {
    for (int r = 0; r < dot.ranks; ++r)
      std::memset(patch + r * all, dot.zero[static_cast<std::size_t>(r)], static_cast<std::size_t>(all));
    if (rows != nullptr) std::fill(rows, rows + all, static_cast<std::uint16_t>(layer.input_size * kTableSize));
  }
  const std::uint8_t* in = codes_of(layer.source, sample) + std::ptrdiff_t{group} * taps;
  for (std::size_t r = from; r < to;) {
    std::size_t end = r + 1;
    while (end < to && layer.walk.base[end] == layer.walk.base[end - 1] + taps &&
           layer.walk.place[end] == layer.walk.place[end - 1] + 1)
      ++end;
    const std::uint8_t* codes = in + layer.walk.base[r];
    const std::ptrdiff_t at = std::ptrdiff_t{layer.walk.place[r]} * taps;
    const std::size_t n = (end - r) * static_cast<std::size_t>(taps);
    for (int rank = 0; rank < dot.ranks; ++rank)
      kernels_.decode(dot.operand.data() + 256 * rank, codes, patch + rank * all + at, n);
    for (std::size_t i = 0; rows != nullptr && i < n; ++i)
      rows[at + static_cast<std::ptrdiff_t>(i)] = static_cast<std::uint16_t>(codes[i] * kTableSize);
    r = end;
  }
}

void Block::weighted_whole(const Weighted& layer) {
  const int outs = layer.channels / layer.groups, blocks = (outs + kScalars - 1) / kScalars;
  const int taps = layer.walk.taps, places = layer.walk.places;
  const std::size_t table = static_cast<std::size_t>(layer.weight_size) * layer.input_size;
  std::int32_t* row = scratch_.data();
  for (int p = 0; p < layer.walk.positions(); ++p)
    for (int channel = 0; channel < layer.channels; ++channel) {
      const int g = channel / outs, within = channel % outs;
      const std::size_t block = static_cast<std::size_t>(g) * blocks + within / kScalars;
      const std::int32_t* products = layer.whole.data() + (layer.sets > 1 ? channel * table : 0);
      std::fill(row, row + lanes_, layer.bias[static_cast<std::size_t>(channel)]);
      for (int r = layer.walk.first[static_cast<std::size_t>(p)]; r < layer.walk.first[static_cast<std::size_t>(p) + 1];
           ++r) {
        const std::size_t place = static_cast<std::size_t>(layer.walk.place[static_cast<std::size_t>(r)]);
        const std::uint8_t* w =
            layer.blocks.data() + (block * places + place) * taps * kScalars + within % kScalars;
        const std::uint8_t* in =
            codes(layer.source) + (layer.walk.base[static_cast<std::size_t>(r)] + std::int64_t{g} * taps) * lanes_;
        for (int k = 0; k < taps; ++k, w += kScalars, in += lanes_) {
          const std::int32_t* entries = products + std::size_t{*w} * layer.input_size;
          for (int lane = 0; lane < lanes_; ++lane) row[lane] += entries[in[lane]];
        }
      }
      const std::int64_t element = std::int64_t{p} * layer.channels + channel;
      const int unit = layer.sets > 1 ? channel : 0;
      add_terms(layer.terms, element, unit, row);
      emit(layer.sink, element, unit, row);
    }
}

}  // namespace rapidnn
