// The native executor: a composed network as packed layers, run over blocks of samples.
//
// An edge is stored channel-last with the samples of a block innermost ("lanes"): element (position, channel, lane).
// In wide blocks the lanes are 64 or 128 samples; in blocks of one sample the channel is contiguous and serves as lanes
// where weights are looked up. Codes are bytes, accumulators int32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace rapidnn {

// Vectors that start on a cache line, for kernels that read whole rows.
template <typename T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <typename U>
  Aligned(const Aligned<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{64}); }
  template <typename U>
  bool operator==(const Aligned<U>&) const { return true; }
  template <typename U>
  bool operator!=(const Aligned<U>&) const { return false; }
};

constexpr int kLanes = 64;    // bytes of one vector block
constexpr int kScalars = 4;   // rows looked up side by side
constexpr int kTableSize = 64;
constexpr int kMostPanel = 32;  // rows of a byte dot product at once, at most
constexpr int kQuadsTogether = 16;  // weights of byte dot products are stored in multiples of this many quads

// A product table as byte planes: value = base[row] + sum over planes of plane << shift[p]. rows x planes x 64 bytes.
struct PlaneTable {
  int planes = 0;
  int shift[3] = {0, 0, 0};
  std::vector<std::uint8_t, Aligned<std::uint8_t>> bytes;
  std::vector<std::uint8_t> peak;  // per row: the largest byte of any plane
  std::vector<std::int32_t> base;  // per row: its least value; whoever looks up adds it
};

// One stretch of taps: scalars index table rows, vectors of bytes index entries.
struct Run {
  const std::uint8_t* scalars;  // kScalars a tap
  const std::uint8_t* vectors;
  int taps;
};

struct LookupTask {
  const Run* runs;
  int run_count;
  int segment;                           // taps of a run that may be added in 8 bits, one after the other
  int runs_together;                     // runs of one segment each that may
  std::ptrdiff_t vector_step;            // from tap to tap
  const std::uint8_t* tables[kScalars];  // per scalar, so that channels may have tables of their own
  int planes;
  const int* shift;
  int entries;  // table entries in use, at most 64
  std::int32_t* sums;  // kScalars x (64 * vectors), added to
};

constexpr int kStripe = 16;  // lanes
constexpr int kTileQuads = 16, kTileChannels = 16;
constexpr std::ptrdiff_t kTileBytes = kTileQuads * 4 * kTileChannels;

// Byte dot products whose columns are lanes. An image holds operands as quads of taps: per stripe of 16 lanes, quad,
// lane, four bytes.
struct LanesTask {
  const std::int8_t* weights;       // per run and tile of 16 quads: 16 channels x 64 taps; missing taps are 0
  std::ptrdiff_t block;             // from 16 channels' weights to the next 16's
  int blocks;                       // 1 or 2 times 16 channels
  const std::uint8_t* const* runs;  // per position where each run starts in the first stripe; whole tiles may be read
  std::ptrdiff_t stripe;            // from a stripe to the next
  int run_count, quads;             // quads of a run
  int lanes;                        // a multiple of 16
  int positions;
  bool more;                        // to be added to what is there
  std::int32_t* sums;               // positions x 16 * blocks channels x lanes

  // Where a position's sums begin.
  std::int32_t* sums_of(int position) const {
    return sums + static_cast<std::ptrdiff_t>(position) * blocks * kTileChannels * lanes;
  }
};

// Four rows of codes become operands, quad by quad, of several outer products.
struct QuadTask {
  const std::uint8_t* rows[4];
  int lanes, codes, ranks;  // lanes: a multiple of 32
  const std::uint8_t* tables;  // ranks x 256
  std::uint8_t* out;           // the first stripe's
  std::ptrdiff_t rank;         // from one rank's quad to the next rank's
  std::ptrdiff_t stripe;
};

// Taps of one neuron position whose rows hold anything but their base, one after the other, cut into segments.
constexpr int kTapsAhead = 64;  // that columns are fetched

struct TapList {
  struct Tap {
    const std::uint8_t* row;     // of the table
    const std::uint8_t* vector;  // entries' indices, channel 0
  };
  std::vector<Tap> taps;  // at least kTapsAhead more than the segments have
  std::vector<std::uint16_t> segments;
};

struct ListTask {
  const TapList* taps;
  std::ptrdiff_t offset;  // of the first channel's byte
  int planes;
  const int* shift;
  int entries;
  std::int32_t* sums;  // 64 * vectors, overwritten
};

// Looks up one row of inputs for neighbouring channels: what the inputs that leave a residual add.
struct ResidualTask {
  const std::uint32_t* inputs;  // as list_residuals gives them
  int count, segment;           // `segment` inputs may be added in 8 bits
  std::int32_t more;            // to be added to all sums
  const std::uint8_t* columns;  // the weight codes of the first channels
  const std::uint8_t* table;    // a row of 64 entries per input code
  std::int32_t* sums;           // added to
  std::ptrdiff_t vector;        // from 64 channels' sums to the next's
};

// Searches codes: thresholds in breadth-first order (a complete tree of depth levels, filled up with INT32_MAX; at least
// 64 stored, since kernels load whole vectors).
struct ThresholdTree {
  int depth = 0;
  std::vector<std::int32_t> nodes;
  std::vector<std::uint8_t> codes;  // 2**depth leaves, at least 64 stored
  // In 16 bits, where depth is 3 to 6 and thresholds differ when shifted: per level its nodes, 32 stored, then the
  // 64 thresholds in order. A shifted sum that equals a threshold has to be compared in full.
  bool narrow = false;
  int shift = 0;
  std::vector<std::int16_t> levels;
  std::vector<std::int32_t> sorted;  // 64, filled up with INT32_MAX
};

// An instruction set's kernels.
struct Kernels {
  const char* name;
  void (*lookup)(const LookupTask&, int vectors);     // kScalars rows; 1 or 2 vectors
  void (*lookup_list)(const ListTask&, int vectors);  // one row; 1 to 4 vectors
  // The code of every sums[i] + bias.
  void (*search)(const ThresholdTree&, const std::int32_t* sums, std::int32_t bias, std::uint8_t* codes, std::size_t n);
  // sums += table[codes]; the table holds at least 64 entries more than it has, which are read but not used.
  void (*add_entries)(const std::int32_t* table, int entries, const std::uint8_t* codes, std::int32_t* sums,
                      std::size_t n);
  // sums = (sums + bias) >> down.
  void (*settle)(std::int32_t* sums, std::int32_t bias, int down, std::size_t n);
  // Codes of rows of sums: n in each, rows 64 sums and `stride` codes apart, `added` still to be added to every row.
  void (*search_rows)(const ThresholdTree&, const std::int32_t* sums, const std::int32_t* added, int rows,
                      std::size_t n, std::uint8_t* codes, std::ptrdiff_t stride);
  // 16 rows of 16 bytes become columns: byte j of row i goes to out[j][i].
  void (*transpose)(const std::uint8_t* in, std::ptrdiff_t row, std::uint8_t* const* out);
  // codes to bytes through a table of 256.
  void (*decode)(const std::uint8_t* table, const std::uint8_t* codes, std::uint8_t* bytes, std::size_t n);
  // out[m * 64 + o] = sum over quads of unsigned x[m][4 k ..] times signed w[k][o][4], rows 1 to panel.
  // With `more` it is added to what is there. Only the first 16 * vectors channels are computed. Reads whole rows of quads up to a multiple of kQuadsTogether.
  void (*dot)(const std::uint8_t* x, std::ptrdiff_t x_row, const std::int8_t* w, int quads, int rows, int vectors,
              bool more, std::int32_t* out);
  // Lists the inputs that leave a residual: where their columns of `column` bytes are, from the one numbered `first` on, in
  // the upper 16 bits, and where their row of the table is. Returns how many; n, up to a multiple of 16, may be written.
  // Adds what inputs leave at least to `least`. Tables of 64: whether a code leaves any, and the least, a byte each.
  int (*list_residuals)(const std::uint8_t* codes, std::size_t n, int first, int column, const std::uint8_t* leaves,
                        const std::uint8_t* lows, std::uint32_t* inputs, std::int32_t* least) = nullptr;
  void (*residual)(const ResidualTask&, int vectors) = nullptr;  // 1 to 4 vectors
  // Both or neither.
  void (*dot_lanes)(const LanesTask&) = nullptr;
  void (*quads)(const QuadTask&) = nullptr;
  // As lookup_list, of codes below 16, two to a byte.
  void (*lookup_halves)(const ListTask&, int vectors) = nullptr;
  bool double_width = true;  // two vectors' sums fit the registers
  int panel = kScalars;
  int quads_at_once = 1 << 30;  // so that the weights of a block of channels stay in the nearest cache
  void (*enter)() = nullptr;  // called by a thread before its first dot product, and after its last
  void (*leave)() = nullptr;

  // Residuals pay only where dot products cost next to nothing.
  bool takes_residuals() const { return residual != nullptr && panel > kScalars; }
};

const Kernels* amx_kernels();  // null where the processor lacks it
const Kernels* avx512_kernels();
const Kernels* avx2_kernels();
const Kernels* portable_kernels();

}  // namespace rapidnn
