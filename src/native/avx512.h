// What the AVX-512 kernels have in files of their own.
#pragma once

#include "engine.h"

namespace rapidnn {
namespace avx512 {

void search(const ThresholdTree& tree, const std::int32_t* sums, std::int32_t bias, std::uint8_t* codes, std::size_t n);
void search_rows(const ThresholdTree& tree, const std::int32_t* sums, const std::int32_t* added, int rows, std::size_t n,
                 std::uint8_t* codes, std::ptrdiff_t stride);
void add_entries(const std::int32_t* table, int entries, const std::uint8_t* codes, std::int32_t* sums, std::size_t n);
void settle(std::int32_t* sums, std::int32_t bias, int down, std::size_t n);
void transpose(const std::uint8_t* in, std::ptrdiff_t row, std::uint8_t* const* out);
void dot_lanes(const LanesTask& task);
void quads(const QuadTask& task);

}  // namespace avx512
}  // namespace rapidnn
