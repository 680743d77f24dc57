// A packed network and its execution over blocks of samples.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "layers.h"

namespace rapidnn {

struct EdgeInfo {
  std::int64_t elements;
  bool accumulator;
};

// Per edge where its codes are wanted: samples x elements, in storage order; null where they are not.
using Watch = std::vector<std::uint8_t*>;

struct Room;

// Rooms that no run uses.
class Rooms {
 public:
  Rooms();
  ~Rooms();
  std::unique_ptr<Room> take();
  void give(std::unique_ptr<Room> room);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Room>> free_;
};

class Network {
 public:
  std::vector<EdgeInfo> edges;
  std::vector<Step> steps;
  int output = -1;
  // Work for a further thread on one block: fewer taps are looked up before it has started.
  std::int64_t taps_per_thread = 1 << 21;
  Ints output_index;  // natural order -> element

  // Counts the readers of every edge; call when all steps are there.
  void seal();

  // x: samples x inputs, natural order; out: samples x outputs.
  void run(const float* x, std::int64_t samples, std::int64_t inputs, std::int32_t* out, int threads,
           const Kernels& kernels, bool use_factors, const Watch* watch = nullptr) const;

 private:
  bool prefers_dots(const Kernels& kernels, bool use_factors) const;

  bool double_width_ = true;              // whether blocks of 128 samples pay
  std::int64_t taps_ = 0;                 // of a sample, all layers
  std::vector<int> readers_;              // per edge
  std::vector<std::vector<int>> reads_;   // per step
  friend class Block;
  friend struct Room;
  mutable Rooms rooms_;
};

}  // namespace rapidnn
