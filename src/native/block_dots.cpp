// Weighted sums as byte dot products whose rows are positions and samples, and whose columns are channels.
#include <algorithm>
#include <cstring>

#include "block.h"

namespace rapidnn {

constexpr std::int64_t kPatchBytes = 4 << 20, kMostPanels = 4;
constexpr int kTapsAtOnce = 384;  // their weight codes stay in the nearest cache

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
  // Few rows are not worth sharing: their channels are.
  const bool many = all >= std::int64_t{member_.crew.size()} * kernels_.panel;
  const Share shared = many ? member_.share(all, kernels_.panel) : Share{0, all};
  const Share mine = many ? Share{0, blocks} : member_.share(blocks);
  if (mine.first == mine.last) return;
  for (std::int64_t q = shared.first; q < shared.last; q += most)
    for (int g = 0; g < layer.groups; ++g) {
      const std::int64_t rows = std::min(most, shared.last - q);
      for (std::int64_t m = 0; m < rows; ++m)
        fill_patch(layer, dot, (q + m) / positions, (q + m) % positions, g, patch_.data() + m * row,
                   rest ? rows_.data() + m * taps : nullptr);
      for (auto b = static_cast<int>(mine.first); b < mine.last; ++b) {
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

}  // namespace rapidnn
