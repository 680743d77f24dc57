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

struct Weighted {
  int source, channels, groups, sets;
  Walk walk;
  Ints bias;
  std::vector<Term> terms;
  Sink sink;
  int weight_size, input_size;
  // Lanes are samples: per group and block of four channels, place, tap: four codes; and how far 8 bits carry.
  std::vector<std::uint8_t> blocks;
  std::vector<std::uint16_t> segments;
  std::vector<std::uint32_t> segment_start;
  std::vector<PlaneTable> by_weight;  // one per set: row = weight code, entry = input code
  Ints base;                          // per block, place and channel: sum of its rows' base
  // Lanes are channels: per group, place, tap: the codes of all channels, filled up to a multiple of 64.
  std::vector<std::uint8_t> columns;
  int column_width = 0;
  PlaneTable by_input;  // row = input code, entry = weight code
  Dot exact;  // the whole product table
  Dot rough;  // all of the product table but the residual
  // What is left of the products: row = input code and one of zeros behind, 64 entries over weight codes; `segment` of
  // them may be added in 8 bits.
  std::vector<std::uint8_t, Aligned<std::uint8_t>> residual;
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
  Ints index;                        // kEncodeInput, kGather: one per output element; kProduct: two
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
