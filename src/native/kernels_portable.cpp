// Plain C++: what every machine runs where no instruction set below is at hand.
#include "engine.h"

#include <cstring>
#include <memory>
#include <new>

namespace rapidnn {
namespace {

// One row's values, put together from its planes.
void whole_row(const std::uint8_t* row, int planes, const int* shift, int entries, std::int32_t* values) {
  for (int e = 0; e < entries; ++e) {
    values[e] = 0;
    for (int p = 0; p < planes; ++p) values[e] += row[p * kTableSize + e] << shift[p];
  }
}

// The sums of four rows lie in one word of 64 bits, 16 each, until they might overflow.
static_assert(kScalars == 4, "four rows to a word");
union Word {
  std::uint64_t all;
  std::uint16_t row[kScalars];
};

void flush(Word* four, int width, std::int32_t* sums) {
  for (int m = 0; m < kScalars; ++m)
    for (int lane = 0; lane < width; ++lane) sums[m * width + lane] += four[lane].row[m];
  std::memset(four, 0, sizeof(Word) * width);
}

// Rows of one task's tables, put together when they are first used.
class Rows {
 public:
  explicit Rows(const LookupTask& task) : t_(task) { std::memset(known_, 0, sizeof known_); }

  const std::uint16_t* values(int m, int code) {
    if (!known_[m][code]) make(m, code);
    return low_[m][code];
  }
  // The largest value of a row; above 16 bits `values` does not hold it.
  std::int32_t most(int m, int code) const { return most_[m][code]; }

 private:
  void make(int m, int code) {
    std::int32_t whole[kTableSize], most = 0;
    whole_row(t_.tables[m] + static_cast<std::size_t>(code) * (t_.planes * kTableSize), t_.planes, t_.shift, t_.entries,
              whole);
    for (int e = 0; e < t_.entries; ++e) {
      most = most > whole[e] ? most : whole[e];
      low_[m][code][e] = static_cast<std::uint16_t>(whole[e]);
    }
    most_[m][code] = most;
    known_[m][code] = true;
  }

  const LookupTask& t_;
  bool known_[kScalars][256];
  std::int32_t most_[kScalars][256];
  std::uint16_t low_[kScalars][256][kTableSize];
};

// A row of more than 16 bits: every sum by itself.
void add_wide(const LookupTask& t, const std::uint8_t* a, const std::uint8_t* v, int width) {
  std::int32_t values[kTableSize];
  for (int m = 0; m < kScalars; ++m) {
    whole_row(t.tables[m] + static_cast<std::size_t>(a[m]) * (t.planes * kTableSize), t.planes, t.shift, t.entries, values);
    for (int lane = 0; lane < width; ++lane) t.sums[m * width + lane] += values[v[lane]];
  }
}

void lookup(const LookupTask& t, int vectors) {
  const int width = vectors * kLanes;
  thread_local std::unique_ptr<unsigned char[]> room;  // too much for the stack of some systems
  if (room == nullptr) room.reset(new unsigned char[sizeof(Rows)]);
  Rows& rows = *new (room.get()) Rows(t);
  Word four[2 * kLanes] = {}, table[kTableSize];
  std::int32_t load = 0;
  for (int r = 0; r < t.run_count; ++r) {
    const std::uint8_t* a = t.runs[r].scalars;
    const std::uint8_t* v = t.runs[r].vectors;
    for (int k = 0; k < t.runs[r].taps; ++k, a += kScalars, v += t.vector_step) {
      const std::uint16_t* values[kScalars];
      std::int32_t most = 0;
      for (int m = 0; m < kScalars; ++m) {
        values[m] = rows.values(m, a[m]);
        most = most > rows.most(m, a[m]) ? most : rows.most(m, a[m]);
      }
      if (most > 0xFFFF) {
        add_wide(t, a, v, width);
        continue;
      }
      if (load + most > 0xFFFF) {
        flush(four, width, t.sums);
        load = 0;
      }
      load += most;
      for (int e = 0; e < t.entries; ++e)
        for (int m = 0; m < kScalars; ++m) table[e].row[m] = values[m][e];
      for (int lane = 0; lane < width; ++lane) four[lane].all += table[v[lane]].all;
    }
  }
  flush(four, width, t.sums);
}

void lookup_list(const ListTask& t, int vectors) {
  const int width = vectors * kLanes;
  std::memset(t.sums, 0, sizeof(std::int32_t) * width);
  std::int32_t values[kTableSize];
  const TapList::Tap* tap = t.taps->taps.data();
  for (const std::uint16_t segment : t.taps->segments)
    for (const TapList::Tap* const end = tap + segment; tap != end; ++tap) {
      whole_row(tap->row, t.planes, t.shift, t.entries, values);
      const std::uint8_t* v = tap->vector + t.offset;
      for (int lane = 0; lane < width; ++lane) t.sums[lane] += values[v[lane]];
    }
}

void search(const ThresholdTree& tree, const std::int32_t* sums, std::int32_t bias, std::uint8_t* codes,
            std::size_t n) {
  const std::size_t internal = (std::size_t{1} << tree.depth) - 1;
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t sum = sums[i] + bias;
    std::size_t at = 0;
    for (int level = 0; level < tree.depth; ++level) at = 2 * at + 1 + (sum > tree.nodes[at]);
    codes[i] = tree.codes[at - internal];
  }
}

void add_entries(const std::int32_t* table, int, const std::uint8_t* codes, std::int32_t* sums, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) sums[i] += table[codes[i]];
}

void settle(std::int32_t* sums, std::int32_t bias, int down, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) sums[i] = (sums[i] + bias) >> down;
}

void search_rows(const ThresholdTree& tree, const std::int32_t* sums, const std::int32_t* added, int rows, std::size_t n,
                 std::uint8_t* codes, std::ptrdiff_t stride) {
  std::int32_t row[kLanes];
  for (int m = 0; m < rows; ++m, sums += kLanes, codes += stride) {
    for (std::size_t i = 0; i < n; ++i) row[i] = sums[i] + added[i];
    search(tree, row, 0, codes, n);
  }
}

void dot(const std::uint8_t* x, std::ptrdiff_t x_row, const std::int8_t* w, int quads, int rows, int vectors,
         bool more, std::int32_t* out) {
  if (!more) std::memset(out, 0, sizeof(std::int32_t) * rows * kLanes);
  for (int k = 0; k < quads; ++k, w += 4 * kLanes)
    for (int r = 0; r < rows; ++r) {
      const std::uint8_t* four = x + r * x_row + 4 * k;
      for (int o = 0; o < 16 * vectors; ++o) {
        const std::int8_t* v = w + 4 * o;
        out[r * kLanes + o] += four[0] * v[0] + four[1] * v[1] + four[2] * v[2] + four[3] * v[3];
      }
    }
}

void decode(const std::uint8_t* table, const std::uint8_t* codes, std::uint8_t* bytes, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) bytes[i] = table[codes[i]];
}

void transpose(const std::uint8_t* in, std::ptrdiff_t row, std::uint8_t* const* out) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) out[j][i] = in[i * row + j];
}

const Kernels kKernels = {"portable", lookup, lookup_list, search, add_entries, settle, search_rows, transpose, decode, dot};

}  // namespace

const Kernels* portable_kernels() { return &kKernels; }

}  // namespace rapidnn
