// AVX-512: byte dot products whose columns are samples, and what brings bytes into their order.
#include "avx512.h"

#if defined(__AVX512VBMI__) && defined(__AVX512VNNI__) && defined(__AVX512BW__)

#include <immintrin.h>

#include <cstring>

namespace rapidnn {
namespace avx512 {
namespace {

// Four channels by 64 lanes (or 32) in registers.
template <int L>
void dot_block(const LanesTask& t, const std::uint8_t* const* runs, const std::int8_t* w, int lane, std::int32_t* sums) {
  constexpr int kRows = 4;
  __m512i acc[kRows][L];
  for (int m = 0; m < kRows; ++m)
    for (int l = 0; l < L; ++l)
      acc[m][l] = t.more ? _mm512_loadu_si512(sums + m * t.lanes + lane + 16 * l) : _mm512_setzero_si512();
  for (int r = 0; r < t.run_count; ++r) {
    const std::uint8_t* image = runs[r] + lane / kStripe * t.stripe;
    for (int tile = 0; tile < t.quads; tile += kTileQuads, w += kTileBytes) {
      const int quads = t.quads - tile < kTileQuads ? t.quads - tile : kTileQuads;
      for (int q = 0; q < quads; ++q, image += 4 * kStripe) {
        __m512i in[L];
        for (int l = 0; l < L; ++l) in[l] = _mm512_loadu_si512(image + l * t.stripe);
        for (int m = 0; m < kRows; ++m) {
          std::int32_t four;
          std::memcpy(&four, w + 64 * m + 4 * q, 4);
          const __m512i v = _mm512_set1_epi32(four);
          for (int l = 0; l < L; ++l) acc[m][l] = _mm512_dpbusd_epi32(acc[m][l], in[l], v);
        }
      }
    }
  }
  for (int m = 0; m < kRows; ++m)
    for (int l = 0; l < L; ++l) _mm512_storeu_si512(sums + m * t.lanes + lane + 16 * l, acc[m][l]);
}

inline __m512i decode_64(const std::uint8_t* table, bool few, __m512i index) {
  const __m512i low = _mm512_loadu_si512(table);
  if (few) return _mm512_permutexvar_epi8(index, low);
  const __m512i lower = _mm512_permutex2var_epi8(low, index, _mm512_loadu_si512(table + 64));
  const __m512i upper = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), index, _mm512_loadu_si512(table + 192));
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), lower, upper);
}

}  // namespace

void dot_lanes(const LanesTask& t) {
  for (int p = 0; p < t.positions; ++p)
    for (int m = 0; m < kTileChannels * t.blocks; m += 4) {
      const std::uint8_t* const* runs = t.runs + static_cast<std::ptrdiff_t>(p) * t.run_count;
      const std::int8_t* w = t.weights + m / kTileChannels * t.block + m % kTileChannels * 64;
      std::int32_t* sums = t.sums_of(p) + m * t.lanes;
      int lane = 0;
      for (; lane + 64 <= t.lanes; lane += 64) dot_block<4>(t, runs, w, lane, sums);
      for (; lane < t.lanes; lane += 32) dot_block<2>(t, runs, w, lane, sums);
    }
}

void quads(const QuadTask& t) {
  for (int lane = 0; lane < t.lanes; lane += 64) {
    const int stripes = t.lanes - lane >= 64 ? 4 : 2;
    const __mmask64 active = stripes == 4 ? ~__mmask64{0} : 0xFFFFFFFF;
    __m512i row[4], pair[4], four[4], out[4];
    for (int i = 0; i < 4; ++i) row[i] = _mm512_maskz_loadu_epi8(active, t.rows[i] + lane);
    for (int i = 0; i < 2; ++i) {
      pair[2 * i] = _mm512_unpacklo_epi8(row[2 * i], row[2 * i + 1]);
      pair[2 * i + 1] = _mm512_unpackhi_epi8(row[2 * i], row[2 * i + 1]);
    }
    for (int i = 0; i < 2; ++i) {
      four[2 * i] = _mm512_unpacklo_epi16(pair[i], pair[i + 2]);
      four[2 * i + 1] = _mm512_unpackhi_epi16(pair[i], pair[i + 2]);
    }
    const __m512i a = _mm512_shuffle_i32x4(four[0], four[1], 0x44), b = _mm512_shuffle_i32x4(four[0], four[1], 0xEE);
    const __m512i c = _mm512_shuffle_i32x4(four[2], four[3], 0x44), d = _mm512_shuffle_i32x4(four[2], four[3], 0xEE);
    out[0] = _mm512_shuffle_i32x4(a, c, 0x88);
    out[1] = _mm512_shuffle_i32x4(a, c, 0xDD);
    out[2] = _mm512_shuffle_i32x4(b, d, 0x88);
    out[3] = _mm512_shuffle_i32x4(b, d, 0xDD);
    for (int rank = 0; rank < t.ranks; ++rank)
      for (int i = 0; i < stripes; ++i)
        _mm512_storeu_si512(t.out + rank * t.rank + (lane / kStripe + i) * t.stripe,
                            decode_64(t.tables + 256 * rank, t.codes <= 64, out[i]));
  }
}

void transpose(const std::uint8_t* in, std::ptrdiff_t row, std::uint8_t* const* out) {
  __m128i a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i * row));
  // Four times row i and i + 8 are shuffled like a pack of cards.
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 8; ++i) {
      b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
      b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
    }
    for (int i = 0; i < 8; ++i) {
      a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + 8]);
      a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + 8]);
    }
  }
  for (int i = 0; i < 16; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(out[i]), a[i]);
}

}  // namespace avx512
}  // namespace rapidnn

#endif
