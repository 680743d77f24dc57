// Sixteen floats at a time descend the search tree of the cuts; its upper six levels live in registers. Nothing of the
// standard library is used here: its inline functions, compiled for this instruction set, must not reach other files.
#include "kernels.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)

#include <immintrin.h>

namespace rapidnn {
namespace {

template <int depth>
void descend(const float* x, std::size_t n, const float* nodes, std::size_t m, std::uint8_t* codes) {
  const __m512i one = _mm512_set1_epi32(1), most = _mm512_set1_epi32(static_cast<int>(m));
  const __m512 upper = _mm512_loadu_ps(nodes), fourth = _mm512_loadu_ps(nodes + 15);
  const __m512 fifth = _mm512_loadu_ps(nodes + 31), fifth_high = _mm512_loadu_ps(nodes + 47);
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 active = n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
    const __m512 value = _mm512_maskz_loadu_ps(active, x + i);
    __m512i at = _mm512_setzero_si512();  // the node's place in its level
    for (int level = 0; level < depth; ++level) {
      __m512 cut;
      if (level < 4) {
        cut = _mm512_permutexvar_ps(_mm512_add_epi32(at, _mm512_set1_epi32((1 << level) - 1)), upper);
      } else if (level == 4) {
        cut = _mm512_permutexvar_ps(at, fourth);
      } else if (level == 5) {
        cut = _mm512_permutex2var_ps(fifth, at, fifth_high);
      } else {
        cut = _mm512_i32gather_ps(at, nodes + (1 << level) - 1, 4);
      }
      // "Not at or below" sends NaN up.
      const __mmask16 above = _mm512_cmp_ps_mask(value, cut, _CMP_NLE_UQ);
      at = _mm512_add_epi32(at, at);
      at = _mm512_mask_add_epi32(at, above, at, one);
    }
    // NaN passes the missing cuts too.
    _mm_mask_storeu_epi8(codes + i, active, _mm512_cvtepi32_epi8(_mm512_min_epi32(at, most)));
  }
}

constexpr Descent kByDepth[] = {descend<0>, descend<1>, descend<2>, descend<3>, descend<4>,
                                descend<5>, descend<6>, descend<7>, descend<8>};

}  // namespace

const Descent* avx512_descents() {
  __builtin_cpu_init();
  const bool all =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return all ? kByDepth : nullptr;
}

}  // namespace rapidnn

#else

namespace rapidnn {
const Descent* avx512_descents() { return nullptr; }
}  // namespace rapidnn

#endif
