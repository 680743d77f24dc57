// AMX with int8: a tile product multiplies 16 rows of 64 bytes with 16 channels. Everything else is AVX-512.
#include "engine.h"

#if defined(__AMX_INT8__) && defined(__AMX_TILE__) && defined(__linux__)

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rapidnn {
namespace {

constexpr int kTileRows = 16;

struct alignas(64) TileConfig {
  std::uint8_t palette, start_row, reserved[14];
  std::uint16_t bytes_per_row[16];
  std::uint8_t rows[16];
};

// Tiles 0 to 3 hold sums, 4 and 5 rows of operands, 6 and 7 weights. A constant in memory: some compilers take the
// intrinsic to read eight bytes only, and would leave the rest of a local unwritten.
const TileConfig kConfig = {1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// Other libraries of the process use the tiles too, and some take their configuration to stay from call to call.
thread_local TileConfig others = {};

void enter() {
  _tile_storeconfig(&others);
  asm volatile("" : : "r"(&others) : "memory");  // some compilers do not know that it was written
  _tile_loadconfig(&kConfig);
}

void leave() {
  if (others.palette == 0) {
    _tile_release();
  } else {
    _tile_loadconfig(&others);
  }
}

// Both: whether the tile of the second 16 rows, and of the second 16 channels, is computed too.
template <bool Rows, bool Channels>
void pair(const std::uint8_t* x, std::ptrdiff_t x_row, const std::int8_t* w, int steps, bool more, std::int32_t* out) {
  constexpr int kRow = 4 * kLanes;
  if (more) {
    _tile_loadd(0, out, kRow);
    if (Channels) _tile_loadd(1, out + 16, kRow);
    if (Rows) _tile_loadd(2, out + kTileRows * kLanes, kRow);
    if (Rows && Channels) _tile_loadd(3, out + kTileRows * kLanes + 16, kRow);
  } else {
    _tile_zero(0);
    if (Channels) _tile_zero(1);
    if (Rows) _tile_zero(2);
    if (Rows && Channels) _tile_zero(3);
  }
  for (int k = 0; k < steps; ++k, x += 4 * kTileQuads, w += kTileQuads * 4 * kLanes) {
    _tile_loadd(6, w, 4 * kLanes);
    _tile_loadd(4, x, x_row);
    _tile_dpbusd(0, 4, 6);
    if (Channels) {
      _tile_loadd(7, w + 64, 4 * kLanes);
      _tile_dpbusd(1, 4, 7);
    }
    if (Rows) {
      _tile_loadd(5, x + kTileRows * x_row, x_row);
      _tile_dpbusd(2, 5, 6);
      if (Channels) _tile_dpbusd(3, 5, 7);
    }
  }
  _tile_stored(0, out, kRow);
  if (Channels) _tile_stored(1, out + 16, kRow);
  if (Rows) _tile_stored(2, out + kTileRows * kLanes, kRow);
  if (Rows && Channels) _tile_stored(3, out + kTileRows * kLanes + 16, kRow);
}

// Rows up to the next tile are computed as well, from whatever lies there; nobody reads them.
void dot(const std::uint8_t* x, std::ptrdiff_t x_row, const std::int8_t* w, int quads, int rows, int vectors,
         bool more, std::int32_t* out) {
  if (rows <= kScalars) return avx512_kernels()->dot(x, x_row, w, quads, rows, vectors, more, out);
  const int steps = (quads + kTileQuads - 1) / kTileQuads;
  const bool both = rows > kTileRows;
  for (int c = 0; c < vectors; c += 2) {
    const std::int8_t* weights = w + 64 * c;
    std::int32_t* sums = out + 16 * c;
    if (c + 1 < vectors) {
      both ? pair<true, true>(x, x_row, weights, steps, more, sums) : pair<false, true>(x, x_row, weights, steps, more, sums);
    } else {
      both ? pair<true, false>(x, x_row, weights, steps, more, sums) : pair<false, false>(x, x_row, weights, steps, more, sums);
    }
  }
}

// 16 lanes of a position: a column of tiles.
struct Column {
  const std::uint8_t* const* runs;
  std::ptrdiff_t offset;  // of the lanes in the image
  std::int32_t* sums;
};

// The columns of a task, a stripe's positions one after the other: neighbours share most of their operands.
struct Columns {
  explicit Columns(const LanesTask& task) : t(task), count(task.positions * (task.lanes / kStripe)) {}

  // Beyond the last is the last: what is computed twice is the same.
  Column operator[](int which) const {
    const int i = which < count ? which : count - 1;
    const int stripe = i / t.positions, position = i % t.positions;
    return {t.runs + static_cast<std::ptrdiff_t>(position) * t.run_count, stripe * t.stripe,
            t.sums_of(position) + stripe * kStripe};
  }

  const LanesTask& t;
  int count;
};

// Two blocks of channels by two columns: tiles 0 to 3 hold sums, 4 and 5 weights, 6 and 7 operands.
void two_blocks(const LanesTask& t, const Columns& columns, int at) {
  const Column a = columns[at], b = columns[at + 1];
  const std::ptrdiff_t row = std::ptrdiff_t{4} * t.lanes, more = std::ptrdiff_t{kTileChannels} * t.lanes;
  if (t.more) {
    _tile_loadd(0, a.sums, row);
    _tile_loadd(2, a.sums + more, row);
    _tile_loadd(1, b.sums, row);
    _tile_loadd(3, b.sums + more, row);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const std::int8_t* w = t.weights;
  for (int r = 0; r < t.run_count; ++r) {
    const std::uint8_t *first = a.runs[r] + a.offset, *second = b.runs[r] + b.offset;
    for (int quad = 0; quad < t.quads;
         quad += kTileQuads, w += kTileBytes, first += kTileBytes, second += kTileBytes) {
      _tile_loadd(6, first, 64);
      _tile_loadd(4, w, 64);
      _tile_loadd(7, second, 64);
      _tile_dpbsud(0, 4, 6);
      _tile_loadd(5, w + t.block, 64);
      _tile_dpbsud(1, 4, 7);
      _tile_dpbsud(2, 5, 6);
      _tile_dpbsud(3, 5, 7);
    }
  }
  _tile_stored(0, a.sums, row);
  _tile_stored(2, a.sums + more, row);
  _tile_stored(1, b.sums, row);
  _tile_stored(3, b.sums + more, row);
}

// One block of channels by four columns: tiles 0 to 3 hold sums, 4 weights, 6 and 7 operands.
void one_block(const LanesTask& t, const Columns& columns, int at) {
  const Column a = columns[at], b = columns[at + 1], c = columns[at + 2], d = columns[at + 3];
  const std::ptrdiff_t row = std::ptrdiff_t{4} * t.lanes;
  if (t.more) {
    _tile_loadd(0, a.sums, row);
    _tile_loadd(1, b.sums, row);
    _tile_loadd(2, c.sums, row);
    _tile_loadd(3, d.sums, row);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const std::int8_t* w = t.weights;
  for (int r = 0; r < t.run_count; ++r) {
    const std::uint8_t *first = a.runs[r] + a.offset, *second = b.runs[r] + b.offset;
    const std::uint8_t *third = c.runs[r] + c.offset, *fourth = d.runs[r] + d.offset;
    for (std::ptrdiff_t at = 0, end = std::ptrdiff_t{(t.quads + kTileQuads - 1) / kTileQuads} * kTileBytes; at < end;
         at += kTileBytes, w += kTileBytes) {
      _tile_loadd(4, w, 64);
      _tile_loadd(6, first + at, 64);
      _tile_loadd(7, second + at, 64);
      _tile_dpbsud(0, 4, 6);
      _tile_dpbsud(1, 4, 7);
      _tile_loadd(6, third + at, 64);
      _tile_loadd(7, fourth + at, 64);
      _tile_dpbsud(2, 4, 6);
      _tile_dpbsud(3, 4, 7);
    }
  }
  _tile_stored(0, a.sums, row);
  _tile_stored(1, b.sums, row);
  _tile_stored(2, c.sums, row);
  _tile_stored(3, d.sums, row);
}

void dot_lanes(const LanesTask& t) {
  const Columns columns(t);
  for (int i = 0; i < columns.count; i += t.blocks == 2 ? 2 : 4)
    t.blocks == 2 ? two_blocks(t, columns, i) : one_block(t, columns, i);
}

// The processor has the tiles, and the system lets this process use them.
bool allowed() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("amx-int8") || !__builtin_cpu_supports("amx-tile")) return false;
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

Kernels make() {
  Kernels kernels = *avx512_kernels();
  kernels.name = "amx";
  kernels.panel = 2 * kTileRows;
  kernels.quads_at_once = 8 * kTileQuads;
  kernels.enter = enter;
  kernels.leave = leave;
  kernels.dot = dot;
  kernels.dot_lanes = dot_lanes;
  return kernels;
}

}  // namespace

const Kernels* amx_kernels() {
  if (avx512_kernels() == nullptr) return nullptr;
  static const bool usable = allowed();
  if (!usable) return nullptr;
  static const Kernels kKernels = make();
  return &kKernels;
}

}  // namespace rapidnn

#else

namespace rapidnn {
const Kernels* amx_kernels() { return nullptr; }
}  // namespace rapidnn

#endif
