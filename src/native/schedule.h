// The schedule of 3:2 steps in lanes; rapidnn/machine/reduction.py derives it.
#pragma once

#include <cstdint>

namespace rapidnn {

struct Schedule {
  std::int64_t stages, rounds, moves;
};

Schedule reduction_schedule(std::int64_t addends, std::int64_t lanes);

}  // namespace rapidnn
