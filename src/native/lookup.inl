// The table kernel, once for all instruction sets: V says how a block of 64 bytes is held and looked up.
//
// Sums are built in three widths. Looked-up bytes are added in 8 bits while the rows' peaks sum to at most 255; then
// widened into 16-bit sums of odd lanes and of pairs of lanes, from which those of even lanes follow modulo 2**16, at most
// 257 times (257 * 255 = 2**16 - 1); then into 32 bits. The
// segment lengths come from the rows actually used, so no partial sum can overflow. Segments of a layer are equally long,
// which the processor's branch prediction likes better than as long as can be.

#if defined(__GNUC__)
#define RAPIDNN_INLINE inline __attribute__((always_inline))
#else
#define RAPIDNN_INLINE inline
#endif

namespace rapidnn {
namespace {

constexpr int kMaxWidenings = 257;

template <class V, int M, int N, int P>
struct Sums {
  typename V::Words whole[M][N][P], odd[M][N][P];
  int widenings = 0;
  const int* shift;
  std::int32_t* out;

  Sums(const int* shifts, std::int32_t* sums) : shift(shifts), out(sums) {
    clear_words();
  }

  RAPIDNN_INLINE void clear_words() {
    for (int m = 0; m < M; ++m)
      for (int n = 0; n < N; ++n)
        for (int p = 0; p < P; ++p) whole[m][n][p] = odd[m][n][p] = V::zero_words();
  }

  // Takes the 8-bit sums of one segment.
  RAPIDNN_INLINE void widen(const typename V::Bytes (&low)[M][N][P]) {
    for (int m = 0; m < M; ++m)
      for (int n = 0; n < N; ++n)
        for (int p = 0; p < P; ++p) {
          V::add_whole(whole[m][n][p], low[m][n][p]);
          V::add_odd(odd[m][n][p], low[m][n][p]);
        }
    if (++widenings == kMaxWidenings) flush();
  }

  RAPIDNN_INLINE void flush() {
    for (int m = 0; m < M; ++m)
      for (int n = 0; n < N; ++n)
        for (int p = 0; p < P; ++p) V::add_words(out + (m * N + n) * kLanes, whole[m][n][p], odd[m][n][p], shift[p]);
    clear_words();
    widenings = 0;
  }
};

// Looks up a stretch of taps and adds them in 8 bits.
template <class V, int M, int N, int P>
RAPIDNN_INLINE void add_taps(typename V::Bytes (&low)[M][N][P], const LookupTask& t, int first, const std::uint8_t* a,
                             const std::uint8_t* v, int count) {
  const std::uint8_t* const end = a + std::ptrdiff_t{kScalars} * count;
  const std::ptrdiff_t step = t.vector_step;
  const std::uint8_t* tables[M];
  for (int m = 0; m < M; ++m) tables[m] = t.tables[first + m];
  for (; a != end; a += kScalars, v += step) {
    typename V::Bytes index[N];
    for (int n = 0; n < N; ++n) index[n] = V::load(v + n * kLanes);
    for (int m = 0; m < M; ++m) {
      const std::uint8_t* row = tables[m] + static_cast<std::size_t>(a[m]) * (P * kTableSize);
      for (int p = 0; p < P; ++p)
        for (int n = 0; n < N; ++n) V::look_up_add(low[m][n][p], row + p * kTableSize, index[n]);
    }
  }
}

template <class V, int M, int N, int P>
RAPIDNN_INLINE void clear(typename V::Bytes (&low)[M][N][P]) {
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n)
      for (int p = 0; p < P; ++p) low[m][n][p] = V::zero_bytes();
}

// Rows first to first + M.
template <class V, int M, int N, int P>
void lookup(const LookupTask& t, int first = 0) {
  Sums<V, M, N, P> sums(t.shift, t.sums + first * N * kLanes);
  for (int r = 0; r < t.run_count; r += t.runs_together) {
    if (t.runs_together > 1) {
      typename V::Bytes low[M][N][P];
      clear<V, M, N, P>(low);
      const int last = r + t.runs_together < t.run_count ? r + t.runs_together : t.run_count;
      for (int i = r; i < last; ++i)
        add_taps<V, M, N, P>(low, t, first, t.runs[i].scalars + first, t.runs[i].vectors, t.runs[i].taps);
      sums.widen(low);
      continue;
    }
    const std::uint8_t* a = t.runs[r].scalars + first;
    const std::uint8_t* v = t.runs[r].vectors;
    for (int left = t.runs[r].taps; left > 0; left -= t.segment) {
      const int count = left < t.segment ? left : t.segment;
      typename V::Bytes low[M][N][P];
      clear<V, M, N, P>(low);
      add_taps<V, M, N, P>(low, t, first, a, v, count);
      sums.widen(low);
      a += std::ptrdiff_t{kScalars} * count;
      v += t.vector_step * count;
    }
  }
  sums.flush();
}

// The indices of 64 N channels. Halved, a byte holds those of two channels 64 apart; what stands in its upper bits does not
// matter to tables that repeat every 16 entries.
template <class V, int N, bool Halved>
RAPIDNN_INLINE void load_indices(typename V::Bytes (&index)[N], const std::uint8_t* from) {
  for (int n = 0; n < N; ++n) {
    if constexpr (!Halved) {
      index[n] = V::load(from + n * kLanes);
    } else {
      index[n] = n % 2 == 0 ? V::load(from + n / 2 * kLanes) : V::upper_half(index[n - 1]);
    }
  }
}

template <class V, int N, int P, bool Halved>
void lookup_list(const ListTask& t) {
  std::memset(t.sums, 0, sizeof(std::int32_t) * N * kLanes);
  Sums<V, 1, N, P> sums(t.shift, t.sums);
  const TapList::Tap* tap = t.taps->taps.data();
  for (std::uint16_t segment : t.taps->segments) {
    typename V::Bytes low[1][N][P];
    clear<V, 1, N, P>(low);
    for (const TapList::Tap* const end = tap + segment; tap != end; ++tap) {
      // Columns of inputs that are looked up are seldom next to each other, so the processor does not foresee them.
      for (int n = 0; n < (Halved ? (N + 1) / 2 : N); ++n) V::prefetch(tap[kTapsAhead].vector + t.offset + n * kLanes);
      typename V::Bytes index[N];
      load_indices<V, N, Halved>(index, tap->vector + t.offset);
      for (int n = 0; n < N; ++n)
        for (int p = 0; p < P; ++p) V::look_up_add(low[0][n][p], tap->row + p * kTableSize, index[n]);
    }
    sums.widen(low);
  }
  sums.flush();
}

// As many rows at once as the registers hold sums for.
template <class V, int N, int P>
void lookup_rows(const LookupTask& t) {
  constexpr int M = kScalars * N * P <= V::kSums ? kScalars : 2 * N * P <= V::kSums ? 2 : 1;
  for (int m = 0; m < kScalars; m += M) lookup<V, M, N, P>(t, m);
}

template <class V, int N>
void lookup_planes(const LookupTask& t) {
  if (t.planes == 1) return lookup_rows<V, N, 1>(t);
  if (t.planes == 2) return lookup_rows<V, N, 2>(t);
  lookup_rows<V, N, 3>(t);
}

template <class V>
void lookup_any(const LookupTask& t, int vectors) {
  return vectors == 2 ? lookup_planes<V, 2>(t) : lookup_planes<V, 1>(t);
}

template <class V, int N, bool Halved>
void list_planes(const ListTask& t) {
  if (t.planes == 1) return lookup_list<V, N, 1, Halved>(t);
  if (t.planes == 2) return lookup_list<V, N, 2, Halved>(t);
  lookup_list<V, N, 3, Halved>(t);
}

template <class V, bool Halved = false>
void list_any(const ListTask& t, int vectors) {
  switch (vectors) {
    case 1: return list_planes<V, 1, Halved>(t);
    case 2: return list_planes<V, 2, Halved>(t);
    case 3: return list_planes<V, 3, Halved>(t);
    default: return list_planes<V, 4, Halved>(t);
  }
}

}  // namespace
}  // namespace rapidnn
