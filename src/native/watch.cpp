// Codes of an edge on their way out, for whoever wants to see them.
#include <algorithm>
#include <cstring>

#include "block.h"

namespace rapidnn {

void Block::show(int edge, const Piece& piece) const {
  std::uint8_t* to = (*watch_)[static_cast<std::size_t>(edge)];
  if (to == nullptr) return;
  const std::uint8_t* from = at_[static_cast<std::size_t>(edge)];
  const std::int64_t elements = net_.edges[static_cast<std::size_t>(edge)].elements;
  to += piece.first * elements;
  if (lanes_ == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(elements * piece.count));
    return;
  }
  // Samples lie side by side: turned a few elements at a time, so that what is written stays in the cache.
  constexpr std::int64_t kTurned = 64;
  for (std::int64_t e = 0; e < elements; e += kTurned) {
    const std::int64_t end = std::min(elements, e + kTurned);
    for (int lane = 0; lane < piece.count; ++lane)
      for (std::int64_t i = e; i < end; ++i) to[lane * elements + i] = from[i * lanes_ + lane];
  }
}

}  // namespace rapidnn
