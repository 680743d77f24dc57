// Tables and thresholds in the forms that kernels read.
#pragma once

#include <cstdint>
#include <vector>

#include "layers.h"

namespace rapidnn {

// Rows of planes x 64 bytes, as PlaneTable has them, and what each row has for a base.
struct PlaneBytes {
  const std::uint8_t* bytes;
  const std::int32_t* base;
  const std::vector<int>& shift;  // per plane
};

// Thresholds (sets x m, ascending) and codes (sets x (m + 1)) as complete search trees.
std::vector<ThresholdTree> make_trees(const std::int32_t* thresholds, std::size_t m, const std::uint8_t* codes, int sets);

// Some rows from `from` on.
PlaneTable plane_table(const PlaneBytes& planes, std::size_t from, std::size_t rows);

// The tables of a layer's sets, weight codes below one another, and how many taps 8 bits carry.
Lookup make_lookup(const Weighted& layer, const PlaneBytes& planes);

// Weighted::halves, where they pay; rows of by_input then repeat every 16 entries.
void halve_columns(Weighted& layer);

}  // namespace rapidnn
