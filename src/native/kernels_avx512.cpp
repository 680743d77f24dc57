// AVX-512 with VBMI and VNNI: one byte permutation looks up 64 entries.
#include "avx512.h"

#if defined(__AVX512VBMI__) && defined(__AVX512VNNI__) && defined(__AVX512BW__)

#include <immintrin.h>

#include <cstring>

#include "lookup.inl"

namespace rapidnn {
namespace {

struct Avx512 {
  static constexpr int kSums = 16;
  using Bytes = __m512i;
  using Words = __m512i;
  static Bytes zero_bytes() { return _mm512_setzero_si512(); }
  static Words zero_words() { return _mm512_setzero_si512(); }
  static Bytes load(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
  static Bytes upper_half(Bytes x) { return _mm512_srli_epi16(x, 4); }
  static void look_up_add(Bytes& sum, const std::uint8_t* table, Bytes index) {
    sum = _mm512_adds_epu8(sum, _mm512_permutexvar_epi8(index, _mm512_load_si512(table)));
  }
  static void add_even(Words& sum, Bytes low) {
    sum = _mm512_add_epi16(sum, _mm512_and_si512(low, _mm512_set1_epi16(0xFF)));
  }
  static void add_odd(Words& sum, Bytes low) { sum = _mm512_add_epi16(sum, _mm512_srli_epi16(low, 8)); }
  static void add_words(std::int32_t* sums, Words even, Words odd, int shift) {
    const __m512i lo = _mm512_unpacklo_epi16(even, odd), hi = _mm512_unpackhi_epi16(even, odd);
    const __m512i first = _mm512_permutex2var_epi64(lo, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), hi);
    const __m512i second = _mm512_permutex2var_epi64(lo, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), hi);
    const __m512i parts[4] = {
        _mm512_cvtepu16_epi32(_mm512_castsi512_si256(first)), _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(first, 1)),
        _mm512_cvtepu16_epi32(_mm512_castsi512_si256(second)),
        _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(second, 1))};
    const __m128i by = _mm_cvtsi32_si128(shift);
    for (int i = 0; i < 4; ++i) {
      std::int32_t* at = sums + 16 * i;
      _mm512_storeu_si512(at, _mm512_add_epi32(_mm512_loadu_si512(at), _mm512_sll_epi32(parts[i], by)));
    }
  }
};

template <int R, int C>
void dot_rows(const std::uint8_t* x, std::ptrdiff_t x_row, const std::int8_t* w, int quads, bool more,
              std::int32_t* out) {
  __m512i acc[R][C];
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c)
      acc[r][c] = more ? _mm512_loadu_si512(out + r * kLanes + 16 * c) : _mm512_setzero_si512();
  for (int k = 0; k < quads; ++k, w += 4 * kLanes) {
    __m512i weights[C];
    for (int c = 0; c < C; ++c) weights[c] = _mm512_loadu_si512(w + 64 * c);
    for (int r = 0; r < R; ++r) {
      std::int32_t four;
      std::memcpy(&four, x + r * x_row + 4 * k, 4);
      const __m512i v = _mm512_set1_epi32(four);
      for (int c = 0; c < C; ++c) acc[r][c] = _mm512_dpbusd_epi32(acc[r][c], v, weights[c]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) _mm512_storeu_si512(out + r * kLanes + 16 * c, acc[r][c]);
}

template <int C>
void dot_vectors(const std::uint8_t* x, std::ptrdiff_t x_row, const std::int8_t* w, int quads, int rows,
                 bool more, std::int32_t* out) {
  switch (rows) {
    case 1: return dot_rows<1, C>(x, x_row, w, quads, more, out);
    case 2: return dot_rows<2, C>(x, x_row, w, quads, more, out);
    case 3: return dot_rows<3, C>(x, x_row, w, quads, more, out);
    default: return dot_rows<4, C>(x, x_row, w, quads, more, out);
  }
}

void dot(const std::uint8_t* x, std::ptrdiff_t x_row, const std::int8_t* w, int quads, int rows, int vectors,
         bool more, std::int32_t* out) {
  switch (vectors) {
    case 1: return dot_vectors<1>(x, x_row, w, quads, rows, more, out);
    case 2: return dot_vectors<2>(x, x_row, w, quads, rows, more, out);
    default: return dot_vectors<4>(x, x_row, w, quads, rows, more, out);
  }
}

void decode(const std::uint8_t* table, const std::uint8_t* codes, std::uint8_t* bytes, std::size_t n) {
  __m512i part[4];
  for (int i = 0; i < 4; ++i) part[i] = _mm512_loadu_si512(table + 64 * i);
  for (std::size_t i = 0; i < n; i += 64) {
    const __mmask64 active = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    const __m512i index = _mm512_maskz_loadu_epi8(active, codes + i);
    const __m512i low = _mm512_permutex2var_epi8(part[0], index, part[1]);
    const __m512i high = _mm512_permutex2var_epi8(part[2], index, part[3]);
    _mm512_mask_storeu_epi8(bytes + i, active, _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high));
  }
}

template <int R>
void residual_rows(const std::uint16_t* codes, std::ptrdiff_t code_row, const std::uint8_t* columns,
                   std::ptrdiff_t column_step, const std::uint8_t* table, int taps, int segment, std::int32_t* sums) {
  const std::ptrdiff_t most = std::ptrdiff_t{segment} * kMaxWidenings;  // taps whose sums fit 16 bits
  for (std::ptrdiff_t start = 0; start < taps; start += most) {
    const std::ptrdiff_t stop = start + most < taps ? start + most : taps;
    __m512i even[R], odd[R];
    for (int r = 0; r < R; ++r) even[r] = odd[r] = _mm512_setzero_si512();
    for (std::ptrdiff_t from = start; from < stop; from += segment) {
      const std::ptrdiff_t end = from + segment < stop ? from + segment : stop;
      __m512i low[R];
      for (int r = 0; r < R; ++r) low[r] = _mm512_setzero_si512();
      for (std::ptrdiff_t k = from; k < end; ++k) {
        const __m512i index = _mm512_loadu_si512(columns + k * column_step);
        for (int r = 0; r < R; ++r) Avx512::look_up_add(low[r], table + codes[r * code_row + k], index);
      }
      for (int r = 0; r < R; ++r) {
        Avx512::add_even(even[r], low[r]);
        Avx512::add_odd(odd[r], low[r]);
      }
    }
    for (int r = 0; r < R; ++r) Avx512::add_words(sums + r * kLanes, even[r], odd[r], 0);
  }
}

void residual(const std::uint16_t* codes, std::ptrdiff_t code_row, const std::uint8_t* columns, std::ptrdiff_t column_step,
              const std::uint8_t* table, int taps, int segment, int rows, std::int32_t* sums) {
  const auto run = [&](auto kernel) { kernel(codes, code_row, columns, column_step, table, taps, segment, sums); };
  switch (rows) {
    case 1: return run(residual_rows<1>);
    case 2: return run(residual_rows<2>);
    case 3: return run(residual_rows<3>);
    case 4: return run(residual_rows<4>);
    case 5: return run(residual_rows<5>);
    case 6: return run(residual_rows<6>);
    case 7: return run(residual_rows<7>);
    default: return run(residual_rows<8>);
  }
}

const Kernels kKernels = {"avx512",            lookup_any<Avx512>,   list_any<Avx512>,  avx512::search,
                          avx512::add_entries, avx512::settle,       avx512::search_rows, avx512::transpose,
                          decode,              dot,                  residual,          avx512::dot_lanes,
                          avx512::quads,       list_any<Avx512, true>};

}  // namespace

const Kernels* avx512_kernels() {
  __builtin_cpu_init();
  const bool all = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
  return all ? &kKernels : nullptr;
}

}  // namespace rapidnn

#else

namespace rapidnn {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace rapidnn

#endif
