// AVX2: a byte shuffle looks up 16 entries; larger tables take one shuffle per 16 entries.
#include "engine.h"

#if defined(__AVX2__)

#include <immintrin.h>

#include <cstring>

#include "lookup.inl"

namespace rapidnn {
namespace {

struct Pair {
  __m256i half[2];
};

// kEntries is the table size in use: 16, 32 or 64 entries per row.
template <int kEntries>
struct Avx2 {
  static constexpr int kSums = kEntries <= 16 ? 4 : 8;  // two of the sixteen registers each; more pays for indices
  using Bytes = Pair;
  using Words = Pair;
  static Pair zero_bytes() { return {{_mm256_setzero_si256(), _mm256_setzero_si256()}}; }
  static Pair zero_words() { return zero_bytes(); }
  static Pair load(const std::uint8_t* p) {
    return {{_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
             _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))}};
  }
  static void prefetch(const std::uint8_t* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1); }
  static void look_up_add(Pair& sum, const std::uint8_t* table, const Pair& index) {
    for (int part = 0; part < kEntries / 16; ++part) {
      const __m256i entries =
          _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table + 16 * part)));
      for (int h = 0; h < 2; ++h) {
        __m256i at = index.half[h];
        if (kEntries > 16) {
          // Out-of-range indices get their top bit set, for which the shuffle gives 0.
          at = _mm256_xor_si256(at, _mm256_set1_epi8(static_cast<char>(16 * part)));
          at = _mm256_adds_epu8(at, _mm256_set1_epi8(0x70));
        }
        sum.half[h] = _mm256_add_epi8(sum.half[h], _mm256_shuffle_epi8(entries, at));
      }
    }
  }
  static void add_whole(Pair& sum, const Pair& low) {
    for (int h = 0; h < 2; ++h) sum.half[h] = _mm256_add_epi16(sum.half[h], low.half[h]);
  }
  static void add_odd(Pair& sum, const Pair& low) {
    for (int h = 0; h < 2; ++h) sum.half[h] = _mm256_add_epi16(sum.half[h], _mm256_srli_epi16(low.half[h], 8));
  }
  static void add_words(std::int32_t* sums, const Pair& whole, const Pair& odd, int shift) {
    const __m128i by = _mm_cvtsi32_si128(shift);
    for (int h = 0; h < 2; ++h) {
      const __m256i even = _mm256_sub_epi16(whole.half[h], _mm256_slli_epi16(odd.half[h], 8));
      const __m256i lo = _mm256_unpacklo_epi16(even, odd.half[h]);
      const __m256i hi = _mm256_unpackhi_epi16(even, odd.half[h]);
      const __m128i parts[4] = {_mm256_castsi256_si128(lo), _mm256_castsi256_si128(hi),
                                _mm256_extracti128_si256(lo, 1), _mm256_extracti128_si256(hi, 1)};
      for (int i = 0; i < 4; ++i) {
        __m256i* at = reinterpret_cast<__m256i*>(sums + 32 * h + 8 * i);
        const __m256i wide = _mm256_sll_epi32(_mm256_cvtepu16_epi32(parts[i]), by);
        _mm256_storeu_si256(at, _mm256_add_epi32(_mm256_loadu_si256(at), wide));
      }
    }
  }
};

void lookup(const LookupTask& t, int vectors) {
  if (t.entries <= 16) return lookup_any<Avx2<16>>(t, vectors);
  if (t.entries <= 32) return lookup_any<Avx2<32>>(t, vectors);
  lookup_any<Avx2<64>>(t, vectors);
}

void lookup_list(const ListTask& t, int vectors) {
  if (t.entries <= 16) return list_any<Avx2<16>>(t, vectors);
  if (t.entries <= 32) return list_any<Avx2<32>>(t, vectors);
  list_any<Avx2<64>>(t, vectors);
}

void search(const ThresholdTree& tree, const std::int32_t* sums, std::int32_t bias, std::uint8_t* codes,
            std::size_t n) {
  const int internal = (1 << tree.depth) - 1;
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256i acc =
        _mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums + i)), _mm256_set1_epi32(bias));
    __m256i at = _mm256_setzero_si256();
    for (int level = 0; level < tree.depth; ++level) {
      const __m256i threshold = _mm256_i32gather_epi32(tree.nodes.data(), at, 4);
      const __m256i above = _mm256_cmpgt_epi32(acc, threshold);  // -1 where true
      at = _mm256_sub_epi32(_mm256_add_epi32(_mm256_add_epi32(at, at), _mm256_set1_epi32(1)), above);
    }
    alignas(32) std::int32_t leaves[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(leaves), at);
    for (int j = 0; j < 8; ++j) codes[i + j] = tree.codes[leaves[j] - internal];
  }
  if (i < n) portable_kernels()->search(tree, sums + i, bias, codes + i, n - i);
}

// Products of bytes are summed in pairs of 16 bits, which may not hold 2 * 255 * 127; so the unsigned side is split.
template <int R>
void dot_rows(const std::uint8_t* x, std::ptrdiff_t x_row, const std::int8_t* w, int quads, int vectors,
              bool more, std::int32_t* out) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (int c = 0; c < 2 * vectors; ++c) {
    __m256i acc[R];
    for (int r = 0; r < R; ++r) {
      const auto* there = reinterpret_cast<const __m256i*>(out + r * kLanes + 8 * c);
      acc[r] = more ? _mm256_loadu_si256(there) : _mm256_setzero_si256();
    }
    for (int k = 0; k < quads; ++k) {
      const __m256i wv = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + k * 4 * kLanes + 32 * c));
      for (int r = 0; r < R; ++r) {
        std::int32_t four;
        std::memcpy(&four, x + r * x_row + 4 * k, 4);
        const __m256i v = _mm256_set1_epi32(four);
        const __m256i low = _mm256_and_si256(v, _mm256_set1_epi8(0x7F));
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 7), _mm256_set1_epi8(1));
        const __m256i a = _mm256_madd_epi16(_mm256_maddubs_epi16(low, wv), ones);
        const __m256i b = _mm256_madd_epi16(_mm256_maddubs_epi16(high, wv), ones);
        acc[r] = _mm256_add_epi32(acc[r], _mm256_add_epi32(a, _mm256_slli_epi32(b, 7)));
      }
    }
    for (int r = 0; r < R; ++r)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + r * kLanes + 8 * c), acc[r]);
  }
}

void dot(const std::uint8_t* x, std::ptrdiff_t x_row, const std::int8_t* w, int quads, int rows, int vectors,
         bool more, std::int32_t* out) {
  switch (rows) {
    case 1: return dot_rows<1>(x, x_row, w, quads, vectors, more, out);
    case 2: return dot_rows<2>(x, x_row, w, quads, vectors, more, out);
    case 3: return dot_rows<3>(x, x_row, w, quads, vectors, more, out);
    default: return dot_rows<4>(x, x_row, w, quads, vectors, more, out);
  }
}

void add_entries(const std::int32_t* table, int, const std::uint8_t* codes, std::int32_t* sums, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) sums[i] += table[codes[i]];
}

void search_rows(const ThresholdTree& tree, const std::int32_t* sums, const std::int32_t* added, int rows, std::size_t n,
                 std::uint8_t* codes, std::ptrdiff_t stride) {
  alignas(32) std::int32_t row[kLanes];
  for (int m = 0; m < rows; ++m, sums += kLanes, codes += stride) {
    for (std::size_t i = 0; i < n; ++i) row[i] = sums[i] + added[i];
    search(tree, row, 0, codes, n);
  }
}

void decode(const std::uint8_t* table, const std::uint8_t* codes, std::uint8_t* bytes, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) bytes[i] = table[codes[i]];
}

void settle(std::int32_t* sums, std::int32_t bias, int down, std::size_t n) {
  portable_kernels()->settle(sums, bias, down, n);
}

void transpose(const std::uint8_t* in, std::ptrdiff_t row, std::uint8_t* const* out) {
  portable_kernels()->transpose(in, row, out);
}

Kernels make() {
  Kernels kernels = {"avx2", lookup, lookup_list, search, add_entries, settle, search_rows, transpose, decode, dot};
  kernels.double_width = false;
  return kernels;
}

}  // namespace

const Kernels* avx2_kernels() {
  __builtin_cpu_init();
  static const Kernels kKernels = make();
  return __builtin_cpu_supports("avx2") ? &kKernels : nullptr;
}

}  // namespace rapidnn

#else

namespace rapidnn {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace rapidnn

#endif
