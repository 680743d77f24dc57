// Pair counts of neurons: how often weight code i meets input code j, as the machine's cost needs them.
#pragma once

#include <cstdint>

namespace rapidnn {

// Neurons of one accumulation. A neuron's inputs are depth x runs codes: codes[base + d * depth_step + offset of run r
// at its place], outside the input where the offset is negative; its weights are weights[channel][d][r].
struct PairTask {
  const std::uint8_t* codes;
  std::int64_t neurons;
  const std::int64_t* base;     // per neuron
  const std::int32_t* place;    // per neuron: row of offsets
  const std::int32_t* channel;  // per neuron: row of weights
  const std::int32_t* table;    // per neuron: which nonzero table
  const std::int64_t* offsets;  // places x runs
  std::int64_t runs, depth, depth_step;
  const std::uint8_t* weights;  // channels x depth x runs
  const std::uint8_t* nonzero;  // tables x weight_size x input_size
  int weight_size, input_size;
};

constexpr int kPairFields = 4;

// found: per neuron the digits of counts of non-zero products, whether one is negative, occupied counters of non-zero
// products, and taps inside the input. group_sums: of each neuron's r-th largest weight group, weight_size of them.
// False, and nothing to rely on, if an input code is not below input_size.
bool count_pairs(const PairTask& task, int threads, std::int32_t* found, std::int64_t* group_sums);

}  // namespace rapidnn
