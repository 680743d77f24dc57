// Weighted sums where the lanes are channels: everything is looked up, a sample and position at a time.
#include <algorithm>
#include <cstring>

#include "block.h"

namespace rapidnn {

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
    kernels_.search(layer.sink.trees[0], row, 0, to, static_cast<std::size_t>(count));
    return;
  }
  for (int i = 0; i < count; ++i)
    portable_kernels()->search(layer.sink.trees[static_cast<std::size_t>(channel + i)], row + i, 0, to + i, 1);
}

void Block::weighted_channels(const Weighted& layer) {
  const int outs = layer.channels / layer.groups;
  ListTask task{};
  task.taps = &room_.taps;
  task.planes = layer.by_input.planes;
  task.shift = layer.by_input.shift;
  task.entries = layer.weight_size;
  task.sums = room_.scratch.data();
  const bool many = layer.walk.positions() > 1;
  const Share positions = many ? member_.share(layer.walk.positions()) : Share{0, 1};
  const Share channels = many ? Share{0, outs} : member_.share(outs, 2 * kLanes);
  const bool halved = !layer.halves.empty() && kernels_.lookup_halves != nullptr;
  if (channels.first == channels.last) return;
  for (auto p = static_cast<int>(positions.first); p < positions.last; ++p)
    for (int g = 0; g < layer.groups; ++g) {
      const std::int32_t base = list_taps(layer, p, g);
      for (auto o = static_cast<int>(channels.first); o < channels.last; o += kListVectors * kLanes) {
        const int count = std::min(kListVectors * kLanes, static_cast<int>(channels.last) - o), channel = g * outs + o;
        task.offset = halved ? o / 2 : o;
        (halved ? kernels_.lookup_halves : kernels_.lookup_list)(task, (count + kLanes - 1) / kLanes);
        for (int i = 0; i < count; ++i) task.sums[i] += base;
        emit_channels(layer, std::int64_t{p} * layer.channels + channel, channel, count, task.sums, layer.bias);
      }
    }
}

// The taps of a position that are not constant over all weights (a zero input is), and the sum of the rows' base.
std::int32_t Block::list_taps(const Weighted& layer, int position, int group) {
  const int taps = layer.walk.taps, places = layer.walk.places;
  const bool halved = !layer.halves.empty() && kernels_.lookup_halves != nullptr;
  const std::int64_t width = halved ? static_cast<std::int64_t>(layer.halves_width()) : layer.column_width;
  const std::uint8_t* columns = halved ? layer.halves.data() : layer.columns.data();
  const std::size_t row = static_cast<std::size_t>(layer.by_input.planes) * kTableSize;
  const int from = layer.walk.first[static_cast<std::size_t>(position)];
  const int to = layer.walk.first[static_cast<std::size_t>(position) + 1];
  const std::size_t most = static_cast<std::size_t>(to - from) * static_cast<std::size_t>(taps);
  grow(room_.taps.taps, most + kTapsAhead);
  room_.taps.segments.clear();
  const std::int32_t* bases = layer.by_input.base.data();
  const std::uint8_t* peaks = layer.by_input.peak.data();
  const std::uint8_t* rows = layer.by_input.bytes.data();
  TapList::Tap *next = room_.taps.taps.data(), *begin = next;  // of the segment
  std::int32_t base = 0;
  int load = 0;
  for (int r = from; r < to; ++r) {
    const auto place = static_cast<std::size_t>(layer.walk.place[static_cast<std::size_t>(r)]);
    const std::uint8_t* in =
        codes(layer.source) + layer.walk.base[static_cast<std::size_t>(r)] + std::int64_t{group} * taps;
    const std::uint8_t* column = columns + (static_cast<std::size_t>(group) * places + place) * taps * width;
    for (int k = 0; k < taps; ++k, column += width) {
      base += bases[in[k]];
      const int peak = peaks[in[k]];
      if (load + peak > 255 || next - begin == 65535) {
        room_.taps.segments.push_back(static_cast<std::uint16_t>(next - begin));
        begin = next;
        load = 0;
      }
      load += peak;
      *next = {rows + in[k] * row, column};
      next += peak > 0;
    }
  }
  if (next > begin) room_.taps.segments.push_back(static_cast<std::uint16_t>(next - begin));
  return base;
}

}  // namespace rapidnn
