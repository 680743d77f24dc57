// The steps of a packed network. Indices are of elements in storage order; -1 stands for padding.
#pragma once

#include <cstdint>
#include <vector>

#include "engine.h"

namespace rapidnn {

using Ints = std::vector<std::int32_t>;

// Where the taps of each output position lie: runs first[p] to first[p + 1], each a place in the kernel and the element
// of its first tap (of convolution group 0).
struct Walk {
  Ints first, place, base;
  int places = 1, taps = 0;
  int positions() const { return static_cast<int>(first.size()) - 1; }
};

struct Term {
  int edge;
  int codes;
  Ints rows;  // sets x codes
};

// Where accumulators go: to a code edge through trees (one, or one per unit), or to an accumulator edge.
struct Sink {
  int edge = -1;
  bool encoded = false;
  std::vector<ThresholdTree> trees;
};

// Byte dot products: a sum over ranks of weight bytes times input bytes.
struct Dot {
  int ranks = 0;
  std::vector<std::int8_t, Aligned<std::int8_t>> factors;  // per group and block of 64 channels: quads of ranks x taps, 64 channels, 4 weights
  int quads = 0;                      // stored per channel: those in use, up to a multiple of kQuadsTogether
  std::vector<std::uint8_t> operand;  // per rank 256: input code -> byte, offset included
  std::vector<std::uint8_t> zero;     // per rank: the byte of a padded input
  Ints correction;                    // per channel, to add: that of the offsets, and the bias
};

// Tables that are looked up where lanes are samples.
struct Lookup {
  std::vector<PlaneTable> tables;  // one per set: row = weight code, entry = input code
  int segment = 1;                 // how many taps of a place 8 bits carry
  int runs_together = 1;           // places of one segment each that 8 bits carry
  Ints base;                       // per block, place and channel: sum of its rows' base
};

// Outer products of bytes that a layer's tables are the sum of, with or without a rest to look up; lanes are samples.
struct Outer {
  int ranks = 0;                      // 0: there are none
  std::vector<std::uint8_t> operand;  // ranks x 256: code -> byte
  std::vector<std::uint8_t> zero;     // per rank: the byte that stands for 0
  // Groups, blocks of 16 channels, runs, tiles: 16 channels x 64 taps.
  std::vector<std::int8_t, Aligned<std::int8_t>> weights;
  Ints correction;                    // per channel, to add
  // The image: places of the padded input in order, each with all ranks' quads of a group.
  Ints image;                         // per place the source position, -1 for padding
  Ints run_start;                     // output positions x runs: a place of the image
  int runs = 0, width = 1;            // places of a run, one after the other
  int row = 1;                        // places of a row, which no run leaves
  int quads = 0;                      // per place and rank
  int down = 0;                       // sums are products times 2**down; then there is no rest
  bool factors = false;               // whether the one outer product is that of weights and inputs themselves
  bool rest = false;                  // whether there is a rest
  Lookup lookup;
};

struct Weighted {
  int source, channels, groups, sets;
  Walk walk;
  Ints bias;
  std::vector<Term> terms;
  Sink sink;
  int weight_size, input_size;
  bool in_parts = false;  // places are parts of one long row of taps, to be taken one by one
  // Lanes are samples: per group and block of four channels, place, tap: four codes.
  std::vector<std::uint8_t> blocks;
  Lookup plain;
  Outer outer;
  // Lanes are channels: per group, place, tap: the codes of all channels, filled up to a multiple of 64.
  std::vector<std::uint8_t> columns;
  int column_width = 0;
  // The same in half the room, where codes are below 16 and memory is what a sample waits for: channels 64 apart share a
  // byte. Only of layers with one position.
  std::vector<std::uint8_t> halves;
  std::size_t halves_width() const { return static_cast<std::size_t>(column_width + 2 * kLanes - 1) / (2 * kLanes) * kLanes; }
  PlaneTable by_input;  // row = input code, entry = weight code
  Dot exact;  // the whole product table
  Dot rough;  // all of the product table but the residual
  // What is left of the products: row = input code, 64 entries over weight codes; `segment` of them may be added in 8 bits.
  std::vector<std::uint8_t, Aligned<std::uint8_t>> residual;
  // Per input code, 64: whether its row has anything; and what every weight leaves besides it, a number more than that.
  std::vector<std::uint8_t> leaves_residual, least_residual;
  int least_offset = 0;
  int segment = 0;
  // Any table: sets x weight codes x input codes.
  Ints whole;
  bool planes = false;
};

struct Windows {
  int source;
  int taps;
  Ints index;  // outputs x taps
  int together = 1;  // outputs next to each other whose taps are, too
};

struct Step {
  enum Kind { kEncodeInput, kWeighted, kPooled, kCodeSum, kProduct, kEncode, kMaxPool, kGather } kind;
  int out = -1;
  Ints index;                        // kGather: one per output element; kProduct: two
  Ints place;                        // kEncodeInput: the element of each input; empty where that is its number
  std::vector<int> sources;          // kGather: index = element * sources + source
  Ints together;                     // kGather: from each element, how many move side by side
  std::vector<std::uint8_t> recode;  // kGather: 256 per source, or empty
  std::uint8_t pad_code = 0;
  ThresholdTree tree;  // kEncodeInput, over ordered float bits
  Weighted weighted;
  Windows windows;           // kPooled, kMaxPool
  Ints row;                  // kPooled: per code; kProduct: left codes x right codes
  int right_size = 0;        // kProduct
  Ints offset;               // kCodeSum: per element, or empty
  std::vector<Term> terms;   // kCodeSum
  Ints unit;                 // per output element: accumulator unit, or empty for one
  Sink sink;                 // sums: where the accumulators go; kEncode: from edge `source`
  int source = -1;           // kEncode
};

}  // namespace rapidnn
