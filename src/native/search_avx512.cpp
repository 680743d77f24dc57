// AVX-512: from sums to codes.
#include "avx512.h"

#if defined(__AVX512VBMI__) && defined(__AVX512VNNI__) && defined(__AVX512BW__)

#include <immintrin.h>

namespace rapidnn {
namespace avx512 {
namespace {

// A tree whose upper six levels live in registers.
class Searcher {
 public:
  explicit Searcher(const ThresholdTree& tree)
      : nodes_(tree.nodes.data()), leaf_(tree.codes.data()), depth_(tree.depth), internal_((1 << tree.depth) - 1) {
    first_ = _mm512_loadu_si512(nodes_);
    fourth_ = _mm512_loadu_si512(nodes_ + 15);
    fifth_ = _mm512_loadu_si512(nodes_ + 31);
    fifth_high_ = _mm512_loadu_si512(nodes_ + 47);
    few_ = _mm512_loadu_si512(leaf_);
  }

  // Codes of 16 sums, as many as are active.
  void operator()(__m512i acc, __mmask16 active, std::uint8_t* codes) const {
    const __m512i one = _mm512_set1_epi32(1);
    __m512i at = _mm512_setzero_si512();
    for (int level = 0; level < depth_; ++level) {
      const __mmask16 above = _mm512_cmpgt_epi32_mask(acc, threshold(level, at));
      at = _mm512_add_epi32(_mm512_add_epi32(at, at), one);
      at = _mm512_mask_add_epi32(at, above, at, one);
    }
    const __m512i leaves = _mm512_sub_epi32(at, _mm512_set1_epi32(internal_));
    if (depth_ <= 6) {
      const __m512i found = _mm512_permutexvar_epi8(_mm512_castsi128_si512(_mm512_cvtepi32_epi8(leaves)), few_);
      _mm_mask_storeu_epi8(codes, active, _mm512_castsi512_si128(found));
      return;
    }
    // Codes need not ascend with the accumulator, so there may be more leaves than codes.
    alignas(64) std::int32_t places[16];
    _mm512_store_si512(places, leaves);
    for (int j = 0; j < 16; ++j)
      if (active >> j & 1) codes[j] = leaf_[places[j]];
  }

 private:
  __m512i threshold(int level, __m512i at) const {
    if (level < 4) return _mm512_permutexvar_epi32(at, first_);
    if (level == 4) return _mm512_permutexvar_epi32(_mm512_sub_epi32(at, _mm512_set1_epi32(15)), fourth_);
    if (level == 5) return _mm512_permutex2var_epi32(fifth_, _mm512_sub_epi32(at, _mm512_set1_epi32(31)), fifth_high_);
    return _mm512_i32gather_epi32(at, nodes_, 4);
  }

  const std::int32_t* nodes_;
  const std::uint8_t* leaf_;
  int depth_, internal_;
  __m512i first_, fourth_, fifth_, fifth_high_, few_;
};

__mmask16 first_of(std::size_t n) { return n >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << n) - 1); }

void search_wide(const ThresholdTree& tree, const std::int32_t* sums, std::int32_t bias, std::uint8_t* codes,
                 std::size_t n) {
  const Searcher find(tree);
  const __m512i more = _mm512_set1_epi32(bias);
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 active = first_of(n - i);
    find(_mm512_add_epi32(_mm512_maskz_loadu_epi32(active, sums + i), more), active, codes + i);
  }
}

// entries[index] of 64 words of 32 bits.
inline __m512i of_64(const std::int32_t* entries, __m512i index) {
  const __m512i low = _mm512_permutex2var_epi32(_mm512_loadu_si512(entries), index, _mm512_loadu_si512(entries + 16));
  const __m512i high =
      _mm512_permutex2var_epi32(_mm512_loadu_si512(entries + 32), index, _mm512_loadu_si512(entries + 48));
  return _mm512_mask_blend_epi32(_mm512_test_epi32_mask(index, _mm512_set1_epi32(32)), low, high);
}

// entries[index] of 16 or 64 words of 32 bits.
template <int kDepth>
inline __m512i threshold_of(const std::int32_t* sorted, __m512i rank) {
  return kDepth < 5 ? _mm512_permutexvar_epi32(rank, _mm512_loadu_si512(sorted)) : of_64(sorted, rank);
}

// How many thresholds lie below each of 32 sums, as 16-bit numbers.
template <int kDepth, bool kExact>
inline __m512i rank_32(const ThresholdTree& tree, const std::int32_t* sums, __m512i low_bias, __m512i high_bias,
                       __m128i by) {
  const __m512i first = _mm512_add_epi32(_mm512_loadu_si512(sums), low_bias);
  const __m512i second = _mm512_add_epi32(_mm512_loadu_si512(sums + 16), high_bias);
  const __m512i mixed = kExact ? _mm512_packs_epi32(first, second)
                               : _mm512_packs_epi32(_mm512_sra_epi32(first, by), _mm512_sra_epi32(second, by));
  const __m512i sum = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), mixed);
  const std::int16_t* levels = tree.levels.data();
  const __m512i one = _mm512_set1_epi16(1);
  __m512i rank = _mm512_setzero_si512();
  for (int level = 0; level < kDepth; ++level) {
    const __m512i threshold = _mm512_permutexvar_epi16(rank, _mm512_loadu_si512(levels + 32 * level));
    const __mmask32 above = _mm512_cmpgt_epi16_mask(sum, threshold);
    rank = _mm512_add_epi16(rank, rank);
    rank = _mm512_mask_add_epi16(rank, above, rank, one);
  }
  if (kExact) return rank;
  const __m512i lower = _mm512_loadu_si512(levels + 192);
  const __m512i next = kDepth < 5 ? _mm512_permutexvar_epi16(rank, lower)
                                  : _mm512_permutex2var_epi16(lower, rank, _mm512_loadu_si512(levels + 224));
  const __mmask32 unsure = _mm512_cmpeq_epi16_mask(next, sum);
  if (kDepth > 4 && unsure == 0) return rank;
  // The threshold above the rank is the only one that may lie below the sum after all.
  const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(rank));
  const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(rank, 1));
  const std::int32_t* sorted = tree.sorted.data();
  const __mmask32 above =
      static_cast<__mmask32>(_mm512_cmpgt_epi32_mask(first, threshold_of<kDepth>(sorted, low))) |
      static_cast<__mmask32>(_mm512_cmpgt_epi32_mask(second, threshold_of<kDepth>(sorted, high))) << 16;
  return _mm512_mask_add_epi16(rank, above & unsure, rank, one);
}

template <int kDepth, bool kExact>
void search_narrow(const ThresholdTree& tree, const std::int32_t* sums, std::int32_t bias, std::uint8_t* codes,
                   std::size_t n) {
  const __m512i more = _mm512_set1_epi32(bias), leaf = _mm512_loadu_si512(tree.codes.data());
  const __m128i by = _mm_cvtsi32_si128(tree.shift);
  for (std::size_t i = 0; i < n; i += 64) {
    const __m512i a = rank_32<kDepth, kExact>(tree, sums + i, more, more, by);
    const __m512i b = rank_32<kDepth, kExact>(tree, sums + i + 32, more, more, by);
    const __m512i ranks = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), _mm512_packus_epi16(a, b));
    _mm512_storeu_si512(codes + i, _mm512_permutexvar_epi8(ranks, leaf));
  }
}

template <bool kExact>
void search_depth(const ThresholdTree& tree, const std::int32_t* sums, std::int32_t bias, std::uint8_t* codes,
                  std::size_t n) {
  switch (tree.depth) {
    case 3: return search_narrow<3, kExact>(tree, sums, bias, codes, n);
    case 4: return search_narrow<4, kExact>(tree, sums, bias, codes, n);
    case 5: return search_narrow<5, kExact>(tree, sums, bias, codes, n);
    default: return search_narrow<6, kExact>(tree, sums, bias, codes, n);
  }
}

}  // namespace

void search(const ThresholdTree& tree, const std::int32_t* sums, std::int32_t bias, std::uint8_t* codes, std::size_t n) {
  const std::size_t most = tree.narrow ? n / 64 * 64 : 0;
  if (most > 0) (tree.shift == 0 ? search_depth<true> : search_depth<false>)(tree, sums, bias, codes, most);
  if (most < n) search_wide(tree, sums + most, bias, codes + most, n - most);
}

void search_rows(const ThresholdTree& tree, const std::int32_t* sums, const std::int32_t* added, int rows, std::size_t n,
                 std::uint8_t* codes, std::ptrdiff_t stride) {
  const Searcher find(tree);
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 active = first_of(n - i);
    const __m512i more = _mm512_maskz_loadu_epi32(active, added + i);
    for (int m = 0; m < rows; ++m)
      find(_mm512_add_epi32(_mm512_loadu_si512(sums + m * kLanes + i), more), active, codes + m * stride + i);
  }
}

void settle(std::int32_t* sums, std::int32_t bias, int down, std::size_t n) {
  const __m128i by = _mm_cvtsi32_si128(down);
  const __m512i more = _mm512_set1_epi32(bias);
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 active = first_of(n - i);
    const __m512i sum = _mm512_add_epi32(_mm512_maskz_loadu_epi32(active, sums + i), more);
    _mm512_mask_storeu_epi32(sums + i, active, _mm512_sra_epi32(sum, by));
  }
}

void add_entries(const std::int32_t* table, int entries, const std::uint8_t* codes, std::int32_t* sums, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 active = first_of(n - i);
    const __m512i index = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(active, codes + i));
    const __m512i found = entries <= 16   ? _mm512_permutexvar_epi32(index, _mm512_loadu_si512(table))
                          : entries <= 64 ? of_64(table, index)
                                          : _mm512_mask_i32gather_epi32(index, active, index, table, 4);
    const __m512i sum = _mm512_maskz_loadu_epi32(active, sums + i);
    _mm512_mask_storeu_epi32(sums + i, active, _mm512_add_epi32(sum, found));
  }
}

}  // namespace avx512
}  // namespace rapidnn

#endif
