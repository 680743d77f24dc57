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
  static void prefetch(const std::uint8_t* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1); }
  static Bytes upper_half(Bytes x) { return _mm512_srli_epi16(x, 4); }
  static void look_up_add(Bytes& sum, const std::uint8_t* table, Bytes index) {
    sum = _mm512_adds_epu8(sum, _mm512_permutexvar_epi8(index, _mm512_load_si512(table)));
  }
  static void add_whole(Words& sum, Bytes low) { sum = _mm512_add_epi16(sum, low); }
  static void add_odd(Words& sum, Bytes low) { sum = _mm512_add_epi16(sum, _mm512_srli_epi16(low, 8)); }
  static void add_words(std::int32_t* sums, Words whole, Words odd, int shift) {
    const __m512i even = _mm512_sub_epi16(whole, _mm512_slli_epi16(odd, 8));
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

int list_residuals(const std::uint8_t* codes, std::size_t n, int first, int column, const std::uint8_t* leaves,
                   const std::uint8_t* lows, std::uint32_t* inputs, std::int32_t* least) {
  const __m512i leaving = _mm512_loadu_si512(leaves), low = _mm512_loadu_si512(lows);
  const __m512i next = _mm512_set1_epi32(16 * column << 16);
  __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  at = _mm512_mullo_epi32(_mm512_add_epi32(at, _mm512_set1_epi32(first)), _mm512_set1_epi32(column << 16));
  __m512i sum = _mm512_setzero_si512();
  int count = 0;
  for (std::size_t i = 0; i < n; i += 64) {
    const __mmask64 active = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    const __m512i some = _mm512_maskz_loadu_epi8(active, codes + i);
    const __m512i found = _mm512_permutexvar_epi8(some, leaving);
    __mmask64 real = _mm512_mask_test_epi8_mask(active, found, found);
    sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_maskz_permutexvar_epi8(active, some, low), _mm512_setzero_si512()));
    for (std::size_t j = i; j < n && j < i + 64; j += 16, real >>= 16, at = _mm512_add_epi32(at, next)) {
      const auto these = static_cast<__mmask16>(real);
      const __m512i row = _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + j))), 6);
      _mm512_storeu_si512(inputs + count, _mm512_maskz_compress_epi32(these, _mm512_or_si512(at, row)));
      count += __builtin_popcount(these);
    }
  }
  *least += static_cast<std::int32_t>(_mm512_reduce_add_epi64(sum));
  return count;
}

template <int N>
void residual_vectors(const ResidualTask& t) {
  const std::uint32_t *input = t.inputs, *const end = input + t.count;
  std::int32_t more = t.more;
  do {
    __m512i whole[N], odd[N];
    for (int n = 0; n < N; ++n) whole[n] = odd[n] = _mm512_setzero_si512();
    for (int widenings = 0; widenings < kMaxWidenings && input != end; ++widenings) {
      __m512i low[N];
      for (int n = 0; n < N; ++n) low[n] = _mm512_setzero_si512();
      for (const std::uint32_t* const stop = end - input > t.segment ? input + t.segment : end; input != stop; ++input) {
        const std::uint8_t* column = t.columns + (*input >> 16);
        const __m512i row = _mm512_load_si512(t.table + (*input & 0xFFFF));
        for (int n = 0; n < N; ++n)
          low[n] = _mm512_adds_epu8(low[n], _mm512_permutexvar_epi8(_mm512_load_si512(column + n * kLanes), row));
      }
      for (int n = 0; n < N; ++n) {
        Avx512::add_whole(whole[n], low[n]);
        Avx512::add_odd(odd[n], low[n]);
      }
    }
    for (int n = 0; n < N; ++n) {
      std::int32_t* sums = t.sums + n * t.vector;
      Avx512::add_words(sums, whole[n], odd[n], 0);
      for (int i = 0; more != 0 && i < kLanes; i += 16)
        _mm512_storeu_si512(sums + i, _mm512_add_epi32(_mm512_loadu_si512(sums + i), _mm512_set1_epi32(more)));
    }
    more = 0;
  } while (input != end);
}

void residual(const ResidualTask& task, int vectors) {
  switch (vectors) {
    case 1: return residual_vectors<1>(task);
    case 2: return residual_vectors<2>(task);
    case 3: return residual_vectors<3>(task);
    default: return residual_vectors<4>(task);
  }
}

const Kernels kKernels = {"avx512",            lookup_any<Avx512>,   list_any<Avx512>,  avx512::search,
                          avx512::add_entries, avx512::settle,       avx512::search_rows, avx512::transpose,
                          decode,              dot,                  list_residuals,    residual,
                          avx512::dot_lanes,   avx512::quads,        list_any<Avx512, true>};

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
