// The table kernel, once for all instruction sets: V says how a block of 64 bytes is held and looked up.
//
// Sums are built in three widths. Looked-up bytes are added in 8 bits while the rows' peaks sum to at most 255; then
// widened into 16-bit sums of even and odd lanes, at most 257 times (257 * 255 = 2**16 - 1); then into 32 bits. The
// segment lengths come from the rows actually used, so no partial sum can overflow.

namespace rapidnn {
namespace {

constexpr int kMaxWidenings = 257;

template <class V, int M, int N, int P>
struct Block {
  typename V::Bytes low[M][N][P];
  typename V::Words even[M][N][P], odd[M][N][P];
};

template <class V, int M, int N, int P>
inline void widen(Block<V, M, N, P>& b) {
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n)
      for (int p = 0; p < P; ++p) {
        V::add_even(b.even[m][n][p], b.low[m][n][p]);
        V::add_odd(b.odd[m][n][p], b.low[m][n][p]);
      }
}

template <class V, int M, int N, int P>
inline void flush(Block<V, M, N, P>& b, const LookupTask& t) {
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n)
      for (int p = 0; p < P; ++p) {
        V::add_words(t.sums + (m * N + n) * kLanes, b.even[m][n][p], b.odd[m][n][p], t.shift[p]);
        b.even[m][n][p] = V::zero_words();
        b.odd[m][n][p] = V::zero_words();
      }
}

// Taps that may be added in 8 bits from here on.
template <int M>
inline int segment(const std::uint8_t* a, int taps, const LookupTask& t) {
  int load[M] = {};
  for (int k = 0; k < taps; ++k, a += t.scalar_step)
    for (int m = 0; m < M; ++m) {
      load[m] += t.peaks[m][a[m * t.scalar_lane]];
      if (load[m] > 255) return k;
    }
  return taps;
}

template <class V, int M, int N, int P>
void lookup(const LookupTask& t) {
  Block<V, M, N, P> b;
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n)
      for (int p = 0; p < P; ++p) b.even[m][n][p] = b.odd[m][n][p] = V::zero_words();
  std::memset(t.sums, 0, sizeof(std::int32_t) * M * N * kLanes);
  int widenings = 0;
  for (int r = 0; r < t.run_count; ++r) {
    const std::uint8_t* a = t.runs[r].scalars;
    const std::uint8_t* v = t.runs[r].vectors;
    const std::uint16_t* segments = t.runs[r].segments;
    for (int left = t.runs[r].taps; left > 0;) {
      const int count = segments != nullptr ? *segments++ : segment<M>(a, left, t);
      typename V::Bytes low[M][N][P];
      for (int m = 0; m < M; ++m)
        for (int n = 0; n < N; ++n)
          for (int p = 0; p < P; ++p) low[m][n][p] = V::zero_bytes();
      for (int k = 0; k < count; ++k, a += t.scalar_step, v += t.vector_step) {
        typename V::Bytes index[N];
        for (int n = 0; n < N; ++n) index[n] = V::load(v + n * kLanes);
        for (int m = 0; m < M; ++m) {
          const std::uint8_t* row = t.tables[m] + static_cast<std::size_t>(a[m * t.scalar_lane]) * (P * kTableSize);
          for (int p = 0; p < P; ++p)
            for (int n = 0; n < N; ++n) V::look_up_add(low[m][n][p], row + p * kTableSize, index[n]);
        }
      }
      for (int m = 0; m < M; ++m)
        for (int n = 0; n < N; ++n)
          for (int p = 0; p < P; ++p) b.low[m][n][p] = low[m][n][p];
      widen(b);
      if (++widenings == kMaxWidenings) {
        flush(b, t);
        widenings = 0;
      }
      left -= count;
    }
  }
  flush(b, t);
}

template <class V, int M, int N>
void lookup_planes(const LookupTask& t) {
  if (t.planes == 1) return lookup<V, M, N, 1>(t);
  if (t.planes == 2) return lookup<V, M, N, 2>(t);
  lookup<V, M, N, 3>(t);
}

template <class V>
void lookup_any(const LookupTask& t, int scalars, int vectors) {
  if (scalars == kScalars) return vectors == 2 ? lookup_planes<V, kScalars, 2>(t) : lookup_planes<V, kScalars, 1>(t);
  return vectors == 2 ? lookup_planes<V, 1, 2>(t) : lookup_planes<V, 1, 1>(t);
}

}  // namespace
}  // namespace rapidnn
