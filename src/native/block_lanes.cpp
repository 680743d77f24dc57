// Weighted sums where the lanes are samples: byte dot products and lookups into one set of sums.
#include <algorithm>
#include <cstring>

#include "block.h"

namespace rapidnn {
namespace {

constexpr int kBlocks = 2;  // blocks of 16 channels at a time
constexpr int kChannels = kBlocks * kTileChannels;
constexpr std::ptrdiff_t kImageBytes = 1 << 20;  // half of a core's cache
constexpr int kPositions = 8;  // of a convolution, at a time: neighbours share most of their inputs

int blocks_of(int channels) { return (channels + kTileChannels - 1) / kTileChannels; }

std::ptrdiff_t place_quads(const Outer& outer) { return std::ptrdiff_t{outer.ranks} * outer.quads; }

}  // namespace

// The outer products to use, if any. More than one have to cost next to nothing.
const Outer* Block::outer_of(const Weighted& layer) const {
  const Outer& outer = layer.outer;
  if (outer.ranks == 0 || kernels_.dot_lanes == nullptr) return nullptr;
  return (outer.factors ? use_factors_ : kernels_.takes_residuals()) ? &outer : nullptr;
}

void Block::weighted_samples(const Weighted& layer) {
  const int outs = layer.channels / layer.groups, step = layer.in_parts ? outs : kChannels;
  outer_ = outer_of(layer);
  const int positions = layer.walk.positions();
  const int together = outer_ != nullptr && !layer.in_parts ? std::min(kPositions, positions) : 1;
  some_ = outer_ != nullptr ? lanes_together(layer, together) : lanes_;
  grow(room_.scratch, static_cast<std::size_t>(together) * blocks_of(std::min(step, outs)) * kTileChannels * some_);
  if (outer_ != nullptr) {
    // Kernels read whole tiles, so a stripe is one tile longer than its quads.
    stripe_ = image_places_ * place_quads(*outer_) * layer.groups * 4 * kStripe + kTileBytes;
    image_ = room_.images.take(static_cast<std::size_t>(stripe_) * (some_ / kStripe));
  }
  const Share mine = positions > 1 ? member_.share(positions, together) : Share{0, 1};
  const Share channels = positions > 1 ? Share{0, outs} : member_.share(outs, kChannels);
  for (first_lane_ = 0; first_lane_ < lanes_ && mine.first < mine.last; first_lane_ += some_) {
    image_made_ = outer_ != nullptr ? outer_->run_start[static_cast<std::size_t>(mine.first) * outer_->runs] : 0;
    for (auto p = static_cast<int>(mine.first); p < mine.last; p += together)
      for (int g = 0; g < layer.groups; ++g)
        for (auto o = static_cast<int>(channels.first); o < channels.last; o += step)
          sum_channels(layer, p, std::min(together, static_cast<int>(mine.last) - p), g, o,
                       std::min(step, static_cast<int>(channels.last) - o));
  }
  first_lane_ = 0;
  some_ = lanes_;
  if (outer_ != nullptr) room_.images.give(image_);
}

// How many places of a layer's image have to be there at once, and so many lanes that these stay in a core's cache.
int Block::lanes_together(const Weighted& layer, int together) {
  const int positions = layer.walk.positions(), runs = outer_->runs;
  const Ints& start = outer_->run_start;
  int most = 0;
  for (int p = 0; p < positions; p += together) {
    const int last = std::min(p + together, positions) - 1;
    most = std::max(most, start[static_cast<std::size_t>(last + 1) * runs - 1] + outer_->width -
                              start[static_cast<std::size_t>(p) * runs]);
  }
  image_places_ = (most + outer_->row - 1) / outer_->row * outer_->row;
  if (positions == 1) return lanes_;
  const std::ptrdiff_t lane = image_places_ * place_quads(*outer_) * layer.groups * 4;
  int lanes = lanes_;
  for (const int least = outer_->rest ? kLanes : 2 * kStripe; lanes > least && lane * lanes > kImageBytes;) lanes /= 2;
  return lanes;
}

// Neighbouring channels of neighbouring positions, from codes to codes, for the lanes in hand.
void Block::sum_channels(const Weighted& layer, int position, int positions, int group, int first, int count) {
  const int parts = layer.in_parts ? layer.walk.places : 1;
  const std::ptrdiff_t each = std::ptrdiff_t{blocks_of(count)} * kTileChannels * some_;
  std::int32_t* sums = room_.scratch.data();
  for (int part = 0; part < parts; ++part)
    for (int c = 0; c < count; c += kChannels) {
      const int blocks = blocks_of(std::min(count - c, kChannels));
      if (outer_ != nullptr)
        add_outer(layer, position, positions, group, first + c, blocks, part, sums + std::ptrdiff_t{c} * some_);
      for (int i = 0; i < positions; ++i)
        look_up_channels(layer, position + i, group, first + c, blocks, part, sums + i * each + std::ptrdiff_t{c} * some_);
    }
  for (int i = 0; i < positions; ++i) finish_lanes(layer, position + i, group, first, count, sums + i * each);
}

// Adds the taps that are looked up, of one part or all, into the sums of up to 32 channels, if there are any.
void Block::look_up_channels(const Weighted& layer, int position, int group, int channel, int blocks, int part,
                             std::int32_t* sums) {
  if (outer_ != nullptr && !outer_->rest) return;
  const int outs = layer.channels / layer.groups;
  const int first = layer.walk.first[static_cast<std::size_t>(position)];
  const int from = first + part, to = layer.in_parts ? from + 1 : layer.walk.first[static_cast<std::size_t>(position) + 1];
  if (outer_ == nullptr && part == 0)
    std::memset(sums, 0, sizeof(std::int32_t) * static_cast<std::size_t>(blocks) * kTileChannels * some_);
  const Lookup& lookup = outer_ != nullptr ? outer_->lookup : layer.plain;
  for (int c = channel; c < std::min(outs, channel + blocks * kTileChannels); c += kScalars)
    look_up_lanes(layer, lookup, group, c / kScalars, from, to,
                  sums + static_cast<std::ptrdiff_t>(c - channel) * some_);
}

// Outer products of one part or all of neighbouring positions, overwriting the sums if the part is the first.
void Block::add_outer(const Weighted& layer, int position, int positions, int group, int channel, int blocks, int part,
                      std::int32_t* sums) {
  const int outs = layer.channels / layer.groups, runs = layer.in_parts ? 1 : outer_->runs;
  const std::ptrdiff_t place = place_quads(*outer_) * 4 * kStripe;
  grow(room_.starts, static_cast<std::size_t>(positions) * runs);
  int until = 0;
  for (int i = 0; i < positions; ++i)
    for (int r = 0; r < runs; ++r) {
      const int start = outer_->run_start[static_cast<std::size_t>(position + i) * outer_->runs + part + r];
      until = std::max(until, start + outer_->width);
      room_.starts[static_cast<std::size_t>(i) * runs + r] = image_ + (std::ptrdiff_t{group} * image_places_ + start % image_places_) * place;
    }
  make_image(*outer_, layer, until);
  LanesTask task{};
  const int quads = outer_->width * outer_->ranks * outer_->quads, tiles = (quads + kTileQuads - 1) / kTileQuads;
  const int all = (outs + kTileChannels - 1) / kTileChannels;
  task.block = std::ptrdiff_t{outer_->runs} * tiles * kTileBytes;
  task.weights = outer_->weights.data() + (std::ptrdiff_t{group} * all + channel / kTileChannels) * task.block +
                 std::ptrdiff_t{part} * tiles * kTileBytes;
  task.blocks = blocks;
  task.runs = room_.starts.data();
  task.stripe = stripe_;
  task.run_count = runs;
  task.quads = quads;
  task.lanes = some_;
  task.positions = positions;
  task.more = part > 0;
  task.sums = sums;
  kernels_.dot_lanes(task);
}

void Block::look_up_lanes(const Weighted& layer, const Lookup& lookup, int group, int four, int from, int to,
                          std::int32_t* sums) {
  const int outs = layer.channels / layer.groups, blocks = (outs + kScalars - 1) / kScalars;
  const int taps = layer.walk.taps, places = layer.walk.places;
  const std::size_t block = static_cast<std::size_t>(group) * blocks + four;
  grow(room_.runs, static_cast<std::size_t>(to - from));
  for (int r = from; r < to; ++r) {
    const auto place = static_cast<std::size_t>(layer.walk.place[static_cast<std::size_t>(r)]);
    const std::int64_t base = layer.walk.base[static_cast<std::size_t>(r)] + std::int64_t{group} * taps;
    room_.runs[static_cast<std::size_t>(r - from)] = {
        layer.blocks.data() + (block * places + place) * taps * kScalars, codes(layer.source) + base * lanes_ + first_lane_, taps};
  }
  LookupTask task{};
  task.runs = room_.runs.data();
  task.run_count = to - from;
  task.segment = lookup.segment;
  task.runs_together = lookup.runs_together;
  task.vector_step = lanes_;
  for (int m = 0; m < kScalars; ++m) {
    const int channel = std::min(group * outs + four * kScalars + m, layer.channels - 1);
    const PlaneTable& table = lookup.tables[layer.sets > 1 ? static_cast<std::size_t>(channel) : 0];
    task.tables[m] = table.bytes.data();
    task.planes = table.planes;
    task.shift = table.shift;
  }
  task.entries = layer.input_size;
  task.sums = sums;
  kernels_.lookup(task, some_ / kLanes);
}

// From sums to codes or accumulators, for neighbouring channels of a group.
void Block::finish_lanes(const Weighted& layer, int position, int group, int first, int count, std::int32_t* sums) {
  const int outs = layer.channels / layer.groups, blocks = (outs + kScalars - 1) / kScalars, places = layer.walk.places;
  const bool looked_up = outer_ == nullptr || outer_->rest;
  const Lookup& lookup = outer_ != nullptr ? outer_->lookup : layer.plain;
  for (int i = 0; i < count; ++i) {
    const int within = first + i, channel = group * outs + within;
    std::int32_t* row = sums + static_cast<std::ptrdiff_t>(i) * some_;
    std::int32_t bias = layer.bias[static_cast<std::size_t>(channel)];
    if (outer_ != nullptr) {
      const std::int32_t correction = outer_->correction[static_cast<std::size_t>(channel)];
      if (outer_->down == 0) bias += correction;
      else kernels_.settle(row, correction, outer_->down, static_cast<std::size_t>(some_));
    }
    if (looked_up) {
      const std::size_t block = static_cast<std::size_t>(group) * blocks + within / kScalars;
      for (int r = layer.walk.first[static_cast<std::size_t>(position)];
           r < layer.walk.first[static_cast<std::size_t>(position) + 1]; ++r) {
        const auto place = static_cast<std::size_t>(layer.walk.place[static_cast<std::size_t>(r)]);
        bias += lookup.base[(block * places + place) * kScalars + within % kScalars];
      }
    }
    const std::int64_t element = std::int64_t{position} * layer.channels + channel;
    const int unit = layer.sets > 1 ? channel : 0;
    add_terms(layer.terms, element, unit, row);
    emit(layer.sink, element, unit, bias, row);
  }
}

// Operands of the image's places up to one, those that were not made yet: just before they are read, while they are in
// the cache. They take the room of places that are no longer needed.
void Block::make_image(const Outer& outer, const Weighted& layer, int until) {
  const int taps = layer.walk.taps, all = taps * layer.groups, stripes = some_ / kStripe;
  const std::ptrdiff_t quad = 4 * kStripe, rank = outer.quads * quad, place = outer.ranks * rank;
  QuadTask task{};
  task.lanes = some_;
  task.codes = layer.input_size;
  task.ranks = outer.ranks;
  task.tables = outer.operand.data();
  task.rank = rank;
  task.stripe = stripe_;
  for (; image_made_ < until; ++image_made_) {
    const std::int32_t from = outer.image[static_cast<std::size_t>(image_made_)];
    for (int g = 0; g < layer.groups; ++g) {
      std::uint8_t* out = image_ + (std::ptrdiff_t{g} * image_places_ + image_made_ % image_places_) * place;
      if (from < 0) {
        for (int s = 0; s < stripes; ++s)
          for (int t = 0; t < outer.ranks; ++t)
            std::memset(out + s * stripe_ + t * rank, outer.zero[static_cast<std::size_t>(t)], static_cast<std::size_t>(rank));
        continue;
      }
      const std::uint8_t* in =
          codes(layer.source) + (std::int64_t{from} * all + std::int64_t{g} * taps) * lanes_ + first_lane_;
      for (int q = 0; q < outer.quads; ++q) {
        for (int i = 0; i < 4; ++i) task.rows[i] = in + std::int64_t{std::min(4 * q + i, taps - 1)} * lanes_;
        task.out = out + q * quad;
        kernels_.quads(task);
      }
    }
  }
}

}  // namespace rapidnn
