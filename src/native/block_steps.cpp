// The steps of a block that have no weights.
#include <algorithm>
#include <cstring>

#include "block.h"

namespace rapidnn {

void Block::pooled(const Step& step) {
  const Windows& w = step.windows;
  const Share mine = member_.share(net_.edges[static_cast<std::size_t>(step.out)].elements);
  std::int32_t* row = room_.scratch.data();
  for (std::int64_t e = mine.first; e < mine.last; ++e) {
    std::fill(row, row + lanes_, 0);
    for (int k = 0; k < w.taps; ++k) {
      const std::int32_t from = w.index[static_cast<std::size_t>(e * w.taps + k)];
      if (from < 0) continue;
      const std::uint8_t* in = codes(w.source) + std::int64_t{from} * lanes_;
      for (int lane = 0; lane < lanes_; ++lane) row[lane] += step.row[in[lane]];
    }
    emit(step.sink, e, step.unit.empty() ? 0 : step.unit[static_cast<std::size_t>(e)], 0, row);
  }
}

void Block::code_sum(const Step& step) {
  const Share mine = member_.share(net_.edges[static_cast<std::size_t>(step.out)].elements);
  std::int32_t* row = room_.scratch.data();
  for (std::int64_t e = mine.first; e < mine.last; ++e) {
    std::fill(row, row + lanes_, step.offset.empty() ? 0 : step.offset[static_cast<std::size_t>(e)]);
    add_terms(step.terms, e, 0, row);
    emit(step.sink, e, 0, 0, row);
  }
}

void Block::product(const Step& step) {
  const Share mine = member_.share(net_.edges[static_cast<std::size_t>(step.out)].elements);
  std::int32_t* row = room_.scratch.data();
  for (std::int64_t e = mine.first; e < mine.last; ++e) {
    const auto at = static_cast<std::size_t>(2 * e);
    const std::uint8_t* left = codes(step.sources[0]) + std::int64_t{step.index[at]} * lanes_;
    const std::uint8_t* right = codes(step.sources[1]) + std::int64_t{step.index[at + 1]} * lanes_;
    for (int lane = 0; lane < lanes_; ++lane)
      row[lane] = step.row[static_cast<std::size_t>(left[lane]) * step.right_size + right[lane]];
    emit(step.sink, e, 0, 0, row);
  }
}

void Block::encode(const Step& step) {
  const Share mine = member_.share(net_.edges[static_cast<std::size_t>(step.out)].elements);
  const std::int32_t* from = sums(step.source);
  if (step.sink.trees.size() == 1) {
    kernels_.search(step.sink.trees[0], from + mine.first * lanes_, 0, codes(step.out) + mine.first * lanes_,
                    static_cast<std::size_t>((mine.last - mine.first) * lanes_));
  } else {
    for (std::int64_t e = mine.first; e < mine.last; ++e) {
      const ThresholdTree& tree = step.sink.trees[static_cast<std::size_t>(step.unit[static_cast<std::size_t>(e)])];
      kernels_.search(tree, from + e * lanes_, 0, codes(step.out) + e * lanes_, static_cast<std::size_t>(lanes_));
    }
  }
}

void Block::max_pool(const Step& step) {
  const Windows& w = step.windows;
  const Share mine = member_.share(net_.edges[static_cast<std::size_t>(step.out)].elements, w.together);
  const std::int64_t width = std::int64_t{w.together} * lanes_;
  for (std::int64_t e = mine.first; e < mine.last; e += w.together) {
    std::uint8_t* to = codes(step.out) + e * lanes_;
    std::memset(to, 0, static_cast<std::size_t>(width));
    for (int k = 0; k < w.taps; ++k) {
      const std::int32_t from = w.index[static_cast<std::size_t>(e * w.taps + k)];
      if (from < 0) continue;
      const std::uint8_t* in = codes(w.source) + std::int64_t{from} * lanes_;
      for (std::int64_t i = 0; i < width; ++i) to[i] = std::max(to[i], in[i]);
    }
  }
}

void Block::gather(const Step& step) {
  const Share mine = member_.share(net_.edges[static_cast<std::size_t>(step.out)].elements);
  const auto count = static_cast<std::int32_t>(step.sources.size());
  for (std::int64_t e = mine.first, run = 0; e < mine.last; e += run) {
    run = std::min<std::int64_t>(step.together[static_cast<std::size_t>(e)], mine.last - e);
    const std::int64_t width = run * lanes_;
    std::uint8_t* to = codes(step.out) + e * lanes_;
    const std::int32_t at = step.index[static_cast<std::size_t>(e)];
    if (at < 0) {
      std::memset(to, step.pad_code, static_cast<std::size_t>(width));
      continue;
    }
    const std::int32_t which = at % count;
    const std::uint8_t* in = codes(step.sources[static_cast<std::size_t>(which)]) + std::int64_t{at / count} * lanes_;
    if (step.recode.empty()) {
      std::memcpy(to, in, static_cast<std::size_t>(width));
    } else {
      const std::uint8_t* table = step.recode.data() + 256 * static_cast<std::size_t>(which);
      for (std::int64_t i = 0; i < width; ++i) to[i] = table[in[i]];
    }
  }
}

}  // namespace rapidnn
