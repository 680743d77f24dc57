// One block of samples on its way through a network.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "crew.h"
#include "network.h"

namespace rapidnn {

constexpr int kListVectors = 4;

// An input that is not a number.
struct NotANumber : std::invalid_argument {
  NotANumber() : std::invalid_argument("the input holds NaN") {}
};

// Makes room for n at least: what is sized again and again is not cleared every time.
template <typename Vector>
void grow(Vector& vector, std::size_t n) {
  if (vector.size() < n) vector.resize(n);
}

// Buffers that are handed out again once nobody reads them.
class Arena {
 public:
  std::uint8_t* take(std::size_t bytes);
  void give(std::uint8_t* buffer);
  std::size_t bytes() const;

 private:
  struct Buffer {
    std::uint8_t* data;
    std::size_t size;
    bool free;
  };
  std::vector<std::vector<std::uint8_t>> storage_;
  std::vector<Buffer> buffers_;
};

// Samples that go through the network together. lanes 64 or 128: count <= lanes of them side by side, the lanes left over
// repeat the first. lanes 1: one after the other, each with its own stretch of every edge.
struct Piece {
  std::int64_t first;
  int lanes, count;
};

// A thread's memory, kept from run to run.
struct Room {
  // Room for the edges of one piece after the other; the network is always the same.
  const std::vector<std::uint8_t*>& hold(const Network& network, const Piece& piece);
  std::size_t bytes() const;

  Arena edges, images;
  std::vector<std::uint8_t*> at;  // per edge
  int held = 0;                   // for how many samples
  std::vector<std::int32_t, Aligned<std::int32_t>> scratch;
  std::vector<std::uint8_t, Aligned<std::uint8_t>> patch;
  std::vector<std::uint8_t, Aligned<std::uint8_t>> columns;  // of the taps in hand
  std::vector<std::uint32_t> listed;  // per row of dot products: inputs that leave a residual
  std::vector<std::int32_t> least;    // per row: what its inputs leave at least
  std::vector<int> listed_until;      // per row and stretch of taps
  std::vector<std::uint8_t> encoded;
  std::vector<Run> runs;
  std::vector<const std::uint8_t*> starts;
  TapList taps;
};

// One thread's work on blocks; the members of a crew share the edges.
class Block {
 public:
  Block(const Network& network, const Kernels& kernels, bool use_factors, Member member, const Watch* watch, Room& room)
      : net_(network), kernels_(kernels), use_factors_(use_factors), member_(member), watch_(watch), room_(room) {}

  // x and out are those of all samples. Throws NotANumber.
  void run(const Piece& piece, const std::vector<std::uint8_t*>& edges, const float* x, std::int64_t inputs,
           std::int32_t* out);

 private:
  std::uint8_t* codes(int edge) const { return codes_of(edge, sample_); }
  std::uint8_t* codes_of(int edge, std::int64_t sample) const {
    const auto e = static_cast<std::size_t>(edge);
    return at_[e] + sample * net_.edges[e].elements;
  }
  std::int32_t* sums(int edge) const {
    const auto e = static_cast<std::size_t>(edge);
    return reinterpret_cast<std::int32_t*>(at_[e]) + sample_ * net_.edges[e].elements;
  }
  void run_step(const Step& step, const float* x, std::int64_t inputs, int count);
  void encode_input(const Step& step, const float* x, std::int64_t inputs, int count);
  void encode_row(const Step& step, const float* x, std::int64_t count, std::uint8_t* to);
  void scatter(const Ints& place, std::int64_t first, std::int64_t count, std::int64_t row, std::uint8_t* out);
  void give_out(std::int64_t from, std::int64_t to, std::int32_t* out);
  void weighted(const Weighted& layer);
  void weighted_samples(const Weighted& layer);
  const Outer* outer_of(const Weighted& layer) const;
  int lanes_together(const Weighted& layer, int together);
  void sum_channels(const Weighted& layer, int position, int positions, int group, int first, int count);
  void look_up_channels(const Weighted& layer, int position, int group, int channel, int blocks, int part,
                        std::int32_t* sums);
  void add_outer(const Weighted& layer, int position, int positions, int group, int channel, int blocks, int part,
                 std::int32_t* sums);
  void look_up_lanes(const Weighted& layer, const Lookup& lookup, int group, int four, int from, int to,
                     std::int32_t* sums);
  void finish_lanes(const Weighted& layer, int position, int group, int first, int count, std::int32_t* sums);
  void make_image(const Outer& outer, const Weighted& layer, int until);
  void weighted_channels(const Weighted& layer);
  std::int32_t list_taps(const Weighted& layer, int position, int group);
  const Dot* dot_of(const Weighted& layer, int samples) const;
  void weighted_dots(const Weighted& layer, const Dot& dot, int samples);
  void fill_patch(const Weighted& layer, const Dot& dot, std::int64_t sample, std::int64_t position, int group,
                  std::uint8_t* patch);
  template <typename Action>
  void each_stretch(const Weighted& layer, std::int64_t sample, std::int64_t position, int group,
                    const Action& action) const;
  void list_residuals(const Weighted& layer, std::int64_t sample, std::int64_t position, int group, int row);
  void add_dots(const std::int8_t* w, std::ptrdiff_t row, int rows, int quads, int vectors, std::int32_t* sums);
  void add_residuals(const Weighted& layer, int group, int block, int vectors, int rows, std::ptrdiff_t vector);
  void finish_rows(const Weighted& layer, const Dot& dot, std::int64_t first, int rows, int channel, int count,
                   std::int32_t* sums);
  void weighted_whole(const Weighted& layer);
  void pooled(const Step& step);
  void code_sum(const Step& step);
  void product(const Step& step);
  void encode(const Step& step);
  void max_pool(const Step& step);
  void gather(const Step& step);
  // One accumulator plus bias for all lanes.
  void emit(const Sink& sink, std::int64_t element, int unit, std::int32_t bias, std::int32_t* row);
  // Accumulators of neighbouring channels of one sample, `added` still to be added to them.
  void emit_channels(const Weighted& layer, std::int64_t element, int channel, int count, std::int32_t* row,
                     const Ints& added);
  void add_terms(const std::vector<Term>& terms, std::int64_t element, int unit, std::int32_t* row);
  void show(int edge, const Piece& piece) const;

  const Network& net_;
  const Kernels& kernels_;
  bool use_factors_;
  const Member member_;
  const Watch* watch_;
  Room& room_;
  int lanes_ = 1;
  int first_lane_ = 0, some_ = 1;  // lanes in hand: a layer may take some after the other
  std::int64_t sample_ = 0;  // with one lane: the sample in hand
  std::vector<std::uint8_t*> at_;
  const Outer* outer_ = nullptr;  // of the layer in hand, if they are used
  std::uint8_t* image_ = nullptr;
  std::ptrdiff_t stripe_ = 0;  // of the image
  int image_places_ = 0;       // that the image holds: the last ones made
  int image_made_ = 0;
};

}  // namespace rapidnn
