#include "pack.h"

#include <algorithm>
#include <climits>

namespace rapidnn {
namespace {

constexpr int kHalf = 16;  // codes of half a byte
constexpr std::size_t kLarge = std::size_t{1} << 17;  // bytes that the nearest cache does not hold

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

// Every channel of every block and place: its table, and its codes, kScalars apart.
template <class Action>
void each_channel(const Weighted& w, const Lookup& lookup, const Action& action) {
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
bool carries(const PlaneTable& table, const std::uint8_t* codes, int taps, int segment) {
  for (int k = 0; k < taps;) {
    int load = 0;
    for (const int end = std::min(taps, k + segment); k < end; ++k) load += table.peak[codes[k * kScalars]];
    if (load > 255) return false;
  }
  return true;
}

// How many taps of a place may be added in 8 bits: places are cut into equal segments, as few as keep the peaks of
// every segment at a sum of at most 255. And what the places' rows have for a base.
void cut_segments(const Weighted& w, Lookup& lookup) {
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

}  // namespace

std::vector<ThresholdTree> make_trees(const std::int32_t* thresholds, std::size_t m, const std::uint8_t* codes, int sets) {
  std::vector<ThresholdTree> trees(static_cast<std::size_t>(sets));
  for (int t = 0; t < sets; ++t) {
    ThresholdTree& tree = trees[static_cast<std::size_t>(t)];
    while ((std::size_t{1} << tree.depth) < m + 1) ++tree.depth;
    const std::size_t leaves = std::size_t{1} << tree.depth;
    const std::int32_t* sorted = thresholds + static_cast<std::size_t>(t) * m;
    const std::uint8_t* code = codes + static_cast<std::size_t>(t) * (m + 1);
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

PlaneTable plane_table(const PlaneBytes& planes, std::size_t from, std::size_t rows) {
  PlaneTable table;
  table.planes = static_cast<int>(planes.shift.size());
  for (std::size_t p = 0; p < planes.shift.size(); ++p) table.shift[p] = planes.shift[p];
  const std::size_t row = planes.shift.size() * kTableSize;
  const std::uint8_t* data = planes.bytes + from * row;
  table.base.assign(planes.base + from, planes.base + from + rows);
  table.bytes.assign(data, data + rows * row);
  for (std::size_t r = 0; r < rows; ++r) table.peak.push_back(*std::max_element(data + r * row, data + (r + 1) * row));
  return table;
}

Lookup make_lookup(const Weighted& w, const PlaneBytes& planes) {
  Lookup lookup;
  const auto rows = static_cast<std::size_t>(w.weight_size);
  for (int s = 0; s < w.sets; ++s)
    lookup.tables.push_back(plane_table(planes, static_cast<std::size_t>(s) * rows, rows));
  cut_segments(w, lookup);
  return lookup;
}

void halve_columns(Weighted& w) {
  if (w.weight_size > kHalf || w.walk.positions() != 1 || w.columns.size() <= kLarge) return;
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

}  // namespace rapidnn
