#include "block.h"

#include <algorithm>
#include <cstring>

namespace rapidnn {
namespace {

constexpr std::int64_t kPart = 512;  // of a sample's inputs

}  // namespace

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

std::size_t Arena::bytes() const {
  std::size_t all = 0;
  for (const auto& storage : storage_) all += storage.size();
  return all;
}

const std::vector<std::uint8_t*>& Room::hold(const Network& network, const Piece& piece) {
  const int samples = piece.lanes == 1 ? piece.count : piece.lanes;
  if (held == samples) return at;
  at.assign(network.edges.size(), nullptr);
  std::vector<int> left = network.readers_;
  std::vector<std::uint8_t*> holding(network.edges.size(), nullptr);
  for (std::size_t i = 0; i < network.steps.size(); ++i) {
    const auto out = static_cast<std::size_t>(network.steps[i].out);
    const EdgeInfo& info = network.edges[out];
    at[out] = holding[out] =
        edges.take(static_cast<std::size_t>(info.elements * samples) * (info.accumulator ? 4 : 1));
    for (int read : network.reads_[i]) {
      const auto edge = static_cast<std::size_t>(read);
      if (--left[edge] > 0) continue;
      edges.give(holding[edge]);
      holding[edge] = nullptr;
    }
  }
  for (std::uint8_t* buffer : holding)
    if (buffer != nullptr) edges.give(buffer);
  held = samples;
  return at;
}

std::size_t Room::bytes() const {
  return edges.bytes() + images.bytes() + scratch.size() * sizeof(scratch[0]) + patch.size() +
         listed.size() * sizeof(listed[0]) + taps.taps.size() * sizeof(taps.taps[0]);
}

void Block::run(const Piece& piece, const std::vector<std::uint8_t*>& edges, const float* x, std::int64_t inputs,
                std::int32_t* out) {
  lanes_ = some_ = piece.lanes;
  first_lane_ = 0;
  at_ = edges;
  x += piece.first * inputs;
  grow(room_.scratch, kScalars * 2 * kLanes + kLanes);
  const int samples = lanes_ == 1 ? piece.count : 1;
  for (const Step& step : net_.steps) {
    const Dot* dot = step.kind == Step::kWeighted && lanes_ == 1 ? dot_of(step.weighted, samples) : nullptr;
    if (dot != nullptr) {
      weighted_dots(step.weighted, *dot, samples);
    } else {
      for (sample_ = 0; sample_ < samples; ++sample_) run_step(step, x + sample_ * inputs, inputs, piece.count);
    }
    sample_ = 0;
    member_.crew.meet();
    if (watch_ != nullptr && member_.number == 0) show(step.out, piece);
  }
  const Share mine = member_.share(piece.count);
  give_out(mine.first, mine.last, out + piece.first * static_cast<std::int64_t>(net_.output_index.size()));
  member_.crew.meet();  // the next piece takes the room
}

// The outputs of some of a piece's samples.
void Block::give_out(std::int64_t from, std::int64_t to, std::int32_t* out) {
  const bool wide = net_.edges[static_cast<std::size_t>(net_.output)].accumulator;
  const auto outputs = static_cast<std::int64_t>(net_.output_index.size());
  for (std::int64_t n = from; n < to; ++n) {
    sample_ = lanes_ == 1 ? n : 0;
    for (std::int64_t i = 0; i < outputs; ++i) {
      const std::int64_t element = net_.output_index[static_cast<std::size_t>(i)];
      const std::int64_t at = lanes_ == 1 ? element : element * lanes_ + n;
      out[n * outputs + i] = wide ? sums(net_.output)[at] : codes(net_.output)[at];
    }
  }
  sample_ = 0;
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

// Samples are encoded in their own order, then a byte goes where its edge has it.
void Block::encode_input(const Step& step, const float* x, std::int64_t inputs, int count) {
  std::uint8_t* out = codes(step.out);
  const int rows = lanes_ == 1 ? 1 : count;
  const bool straight = lanes_ == 1 && step.place.empty();
  grow(room_.encoded, static_cast<std::size_t>(lanes_) * kPart);
  const Share mine = member_.share(inputs, 16);
  for (std::int64_t from = mine.first; from < mine.last; from += kPart) {
    const std::int64_t part = std::min(kPart, mine.last - from);
    for (int row = 0; row < rows; ++row)
      encode_row(step, x + row * inputs + from, part, straight ? out + from : room_.encoded.data() + row * kPart);
    if (straight) continue;
    for (int row = rows; row < lanes_; ++row) std::memcpy(room_.encoded.data() + row * kPart, room_.encoded.data(), kPart);
    scatter(step.place, from, part, kPart, out);
  }
}

void Block::encode_row(const Step& step, const float* x, std::int64_t count, std::uint8_t* to) {
  std::int32_t keys[kPart];
  int bad = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const float plain = x[i] + 0.0f;  // -0 becomes +0
    std::int32_t bits;
    std::memcpy(&bits, &plain, sizeof bits);
    keys[i] = bits ^ ((bits >> 31) & 0x7FFFFFFF);  // ascends with the value
    bad |= plain != plain;
  }
  if (bad != 0) throw NotANumber();
  kernels_.search(step.tree, keys, 0, to, static_cast<std::size_t>(count));
}

// What is encoded, a row per lane, to the elements of the inputs from `first` on.
void Block::scatter(const Ints& place, std::int64_t first, std::int64_t count, std::int64_t row, std::uint8_t* out) {
  const auto at = [&](std::int64_t i) {
    return place.empty() ? first + i : std::int64_t{place[static_cast<std::size_t>(first + i)]};
  };
  std::int64_t i = 0;
  if (lanes_ > 1)
    for (; i + 16 <= count; i += 16)
      for (int lane = 0; lane < lanes_; lane += 16) {
        std::uint8_t* to[16];
        for (int j = 0; j < 16; ++j) to[j] = out + at(i + j) * lanes_ + lane;
        kernels_.transpose(room_.encoded.data() + lane * row + i, row, to);
      }
  for (; i < count; ++i)
    for (int lane = 0; lane < lanes_; ++lane)
      out[at(i) * lanes_ + lane] = room_.encoded[static_cast<std::size_t>(lane * row + i)];
}

void Block::add_terms(const std::vector<Term>& terms, std::int64_t element, int unit, std::int32_t* row) {
  for (const Term& term : terms) {
    const std::int32_t* rows = term.rows.data() + std::int64_t{unit} * term.codes;
    const std::uint8_t* from = codes(term.edge) + element * lanes_ + first_lane_;
    kernels_.add_entries(rows, term.codes, from, row, static_cast<std::size_t>(some_));
  }
}

void Block::emit(const Sink& sink, std::int64_t element, int unit, std::int32_t bias, std::int32_t* row) {
  if (!sink.encoded) {
    std::int32_t* to = sums(sink.edge) + element * lanes_ + first_lane_;
    for (int lane = 0; lane < some_; ++lane) to[lane] = row[lane] + bias;
    return;
  }
  const ThresholdTree& tree = sink.trees[sink.trees.size() > 1 ? static_cast<std::size_t>(unit) : 0];
  kernels_.search(tree, row, bias, codes(sink.edge) + element * lanes_ + first_lane_, static_cast<std::size_t>(some_));
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

void Block::weighted_whole(const Weighted& layer) {
  const int outs = layer.channels / layer.groups, blocks = (outs + kScalars - 1) / kScalars;
  const int taps = layer.walk.taps, places = layer.walk.places;
  const std::size_t table = static_cast<std::size_t>(layer.weight_size) * layer.input_size;
  std::int32_t* row = room_.scratch.data();
  const Share mine = member_.share(std::int64_t{layer.walk.positions()} * layer.channels);
  for (std::int64_t element = mine.first; element < mine.last; ++element) {
    const int p = static_cast<int>(element / layer.channels), channel = static_cast<int>(element % layer.channels);
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
    const int unit = layer.sets > 1 ? channel : 0;
    add_terms(layer.terms, element, unit, row);
    emit(layer.sink, element, unit, 0, row);
  }
}

}  // namespace rapidnn
