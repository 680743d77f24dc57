// Weighted sums as byte dot products whose rows are positions and samples, and whose columns are channels.
#include <algorithm>
#include <cstring>

#include "block.h"

namespace rapidnn {
namespace {

constexpr std::int64_t kPatchBytes = 4 << 20, kMostPanels = 4, kResidualRows = 8;
constexpr int kTogether = 4;              // blocks of channels
constexpr int kColumnBytes = 1 << 15;  // of the taps in hand: they stay in the nearest cache

// How a layer's residuals are looked up: so many blocks of channels and taps at a time.
struct Stretches {
  explicit Stretches(const Weighted& layer)
      : together(std::min(kTogether, (layer.channels / layer.groups + kLanes - 1) / kLanes)),
        taps(kColumnBytes / column()),
        count((layer.walk.places * layer.walk.taps + taps - 1) / taps) {}
  int column() const { return together * kLanes; }

  int together, taps, count;
};

}  // namespace

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
  const std::int64_t bytes = row + (rest ? std::int64_t{4} * taps : 0);
  const std::int64_t most = std::clamp<std::int64_t>(kPatchBytes / (bytes * kMostPanel), 1, kMostPanels) * kMostPanel;
  grow(room_.patch, static_cast<std::size_t>(row * most) + kLanes);
  const std::ptrdiff_t vector = most * kLanes;  // from a block's sums to the next's
  grow(room_.scratch, static_cast<std::size_t>(vector * kTogether) + kLanes);
  if (rest) {
    grow(room_.listed, static_cast<std::size_t>(most) * static_cast<std::size_t>(taps + kLanes));
    grow(room_.least, static_cast<std::size_t>(most));
    grow(room_.columns, kColumnBytes);
    grow(room_.listed_until, static_cast<std::size_t>(most) * static_cast<std::size_t>(Stretches(layer).count));
  }
  // Few rows are not worth sharing: their channels are.
  const bool many = all >= std::int64_t{member_.crew.size()} * kernels_.panel;
  const Share shared = many ? member_.share(all, kernels_.panel) : Share{0, all};
  const Share mine = many ? Share{0, blocks} : member_.share(blocks);
  if (mine.first == mine.last) return;
  for (std::int64_t q = shared.first; q < shared.last; q += most)
    for (int g = 0; g < layer.groups; ++g) {
      const auto rows = static_cast<int>(std::min(most, shared.last - q));
      for (int m = 0; m < rows; ++m) {
        fill_patch(layer, dot, (q + m) / positions, (q + m) % positions, g, room_.patch.data() + m * row);
        if (rest) list_residuals(layer, (q + m) / positions, (q + m) % positions, g, m);
      }
      for (auto b = static_cast<int>(mine.first); b < mine.last; b += kTogether) {
        const int vectors = std::min(kTogether, static_cast<int>(mine.last) - b);
        for (int i = 0; i < vectors; ++i) {
          const int count = std::min(kLanes, outs - (b + i) * kLanes);
          const std::size_t block = static_cast<std::size_t>(g) * blocks + b + i;
          add_dots(dot.factors.data() + block * dot.quads * 4 * kLanes, row, rows, (dot.ranks * taps + 3) / 4,
                   (count + 15) / 16, room_.scratch.data() + i * vector);
        }
        if (rest) add_residuals(layer, g, b, vectors, rows, vector);
        for (int i = 0; i < vectors; ++i)
          finish_rows(layer, dot, q, rows, g * outs + (b + i) * kLanes, std::min(kLanes, outs - (b + i) * kLanes),
                      room_.scratch.data() + i * vector);
      }
    }
  sample_ = 0;
}

// Sums of a block of channels for all rows, a piece of the taps at a time.
void Block::add_dots(const std::int8_t* w, std::ptrdiff_t row, int rows, int quads, int vectors, std::int32_t* sums) {
  for (int k = 0; k < quads; k += kernels_.quads_at_once) {
    const int now = std::min(kernels_.quads_at_once, quads - k);
    for (int p = 0; p < rows; p += kernels_.panel)
      kernels_.dot(room_.patch.data() + p * row + std::ptrdiff_t{4} * k, row, w + std::ptrdiff_t{4} * k * kLanes, now,
                   std::min(kernels_.panel, rows - p), vectors, k > 0, sums + std::ptrdiff_t{p} * kLanes);
  }
}

// What dot products leave over, for neighbouring blocks of channels and all rows, a stretch of the taps at a time.
void Block::add_residuals(const Weighted& layer, int group, int block, int vectors, int rows, std::ptrdiff_t vector) {
  const int taps = layer.walk.places * layer.walk.taps;
  const Stretches stretches(layer);
  ResidualTask task{};
  task.segment = layer.segment;
  const std::uint8_t* columns =
      layer.columns.data() + static_cast<std::size_t>(group) * taps * layer.column_width + block * kLanes;
  task.columns = room_.columns.data();
  task.table = layer.residual.data();
  task.vector = vector;
  for (int s = 0; s < stretches.count; ++s) {
    // Put together: a layer's columns may lie so that few sets of the cache would have to hold them all.
    for (int k = 0; k < std::min(stretches.taps, taps - s * stretches.taps); ++k, columns += layer.column_width)
      std::memcpy(room_.columns.data() + k * stretches.column(), columns, static_cast<std::size_t>(vectors) * kLanes);
    for (int m = 0; m < rows; ++m) {
      const int* until = room_.listed_until.data() + std::ptrdiff_t{m} * stretches.count + s;
      const int from = s > 0 ? until[-1] : 0;
      task.inputs = room_.listed.data() + std::ptrdiff_t{m} * (taps + kLanes) + from;
      task.count = *until - from;
      task.more = s == 0 ? room_.least[static_cast<std::size_t>(m)] : 0;
      task.sums = room_.scratch.data() + std::ptrdiff_t{m} * kLanes;
      kernels_.residual(task, vectors);
    }
  }
}

// The inputs of one neuron that leave a residual, stretch by stretch; padded ones do not.
void Block::list_residuals(const Weighted& layer, std::int64_t sample, std::int64_t position, int group, int row) {
  const int all = layer.walk.places * layer.walk.taps;
  const Stretches stretches(layer);
  std::uint32_t* to = room_.listed.data() + std::ptrdiff_t{row} * (all + kLanes);
  std::int32_t& least = room_.least[static_cast<std::size_t>(row)];
  least = 0;
  int* until = room_.listed_until.data() + std::ptrdiff_t{row} * stretches.count;
  int count = 0, stretch = 0;
  each_stretch(layer, sample, position, group, [&](const std::uint8_t* codes, int at, int taps) {
    for (const int end = at + taps; at < end;) {
      for (; at >= (stretch + 1) * stretches.taps; ++stretch) until[stretch] = count;
      const int some = std::min(end, (stretch + 1) * stretches.taps) - at;
      count += kernels_.list_residuals(codes, static_cast<std::size_t>(some), at % stretches.taps, stretches.column(),
                                       layer.leaves_residual.data(), layer.least_residual.data(), to + count, &least);
      least -= some * layer.least_offset;
      codes += some;
      at += some;
    }
  });
  for (; stretch < stretches.count; ++stretch) until[stretch] = count;
}

// Neighbouring channels of some rows, from their sums to what the layer makes of them.
void Block::finish_rows(const Weighted& layer, const Dot& dot, std::int64_t first, int rows, int channel, int count,
                        std::int32_t* sums) {
  const std::int64_t positions = layer.walk.positions();
  if (layer.terms.empty() && layer.sink.encoded && layer.sink.trees.size() == 1) {
    // Samples lie one after the other, so rows do too.
    kernels_.search_rows(layer.sink.trees[0], sums, dot.correction.data() + channel, rows,
                         static_cast<std::size_t>(count),
                         codes_of(layer.sink.edge, 0) + first * layer.channels + channel, layer.channels);
    return;
  }
  for (int m = 0; m < rows; ++m) {
    sample_ = (first + m) / positions;
    emit_channels(layer, (first + m) % positions * layer.channels + channel, channel, count, sums + std::ptrdiff_t{m} * kLanes,
                  dot.correction);
  }
}

// The operands of one neuron's inputs, the padded ones zero.
void Block::fill_patch(const Weighted& layer, const Dot& dot, std::int64_t sample, std::int64_t position, int group,
                       std::uint8_t* patch) {
  const std::ptrdiff_t all = std::ptrdiff_t{layer.walk.places} * layer.walk.taps;
  const Ints& first = layer.walk.first;
  if (first[static_cast<std::size_t>(position) + 1] - first[static_cast<std::size_t>(position)] < layer.walk.places)
    for (int r = 0; r < dot.ranks; ++r)
      std::memset(patch + r * all, dot.zero[static_cast<std::size_t>(r)], static_cast<std::size_t>(all));
  each_stretch(layer, sample, position, group, [&](const std::uint8_t* codes, int at, int taps) {
    for (int rank = 0; rank < dot.ranks; ++rank)
      kernels_.decode(dot.operand.data() + 256 * rank, codes, patch + rank * all + at, static_cast<std::size_t>(taps));
  });
}

// The codes of one neuron's inputs, with the number of the first tap; places whose taps follow each other go together.
template <typename Action>
void Block::each_stretch(const Weighted& layer, std::int64_t sample, std::int64_t position, int group,
                         const Action& action) const {
  const Walk& walk = layer.walk;
  const auto to = static_cast<std::size_t>(walk.first[static_cast<std::size_t>(position) + 1]);
  const std::uint8_t* in = codes_of(layer.source, sample) + std::ptrdiff_t{group} * walk.taps;
  for (auto r = static_cast<std::size_t>(walk.first[static_cast<std::size_t>(position)]); r < to;) {
    std::size_t end = r + 1;
    while (end < to && walk.base[end] == walk.base[end - 1] + walk.taps && walk.place[end] == walk.place[end - 1] + 1) ++end;
    action(in + walk.base[r], walk.place[r] * walk.taps, static_cast<int>(end - r) * walk.taps);
    r = end;
  }
}

}  // namespace rapidnn
