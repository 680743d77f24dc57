#include "schedule.h"

#include <algorithm>

namespace rapidnn {
namespace {

// Addends a lane lacks for `wanted` groups after one that left it `formed` sums and carries.
std::int64_t lack(std::int64_t wanted, std::int64_t formed) { return std::max<std::int64_t>(3 * wanted - 2 * formed, 0); }

}  // namespace

Schedule reduction_schedule(std::int64_t addends, std::int64_t lanes) {
  std::int64_t groups = addends > 2 ? addends / 3 : 0, total = addends - groups;
  std::int64_t kept[2] = {addends % 3, 0};  // over, in the next slots of lanes 0 and 1
  Schedule found{groups > 0 ? 1 : 0, (groups + lanes - 1) / lanes, 0};
  while (total > 2) {
    const std::int64_t after = total / 3, over = total - 3 * after;
    const std::int64_t q = groups / lanes, r = groups % lanes, q2 = after / lanes, r2 = after % lanes;
    const std::int64_t both = std::min(r, r2);
    std::int64_t needed = both * lack(q2 + 1, q + 1) + (r - both) * lack(q2, q + 1) + (r2 - both) * lack(q2 + 1, q) +
                          (lanes - std::max(r, r2)) * lack(q2, q);
    std::int64_t surplus[2] = {0, 0};
    for (int lane = 0; lane < 2; ++lane) {
      const std::int64_t had = q + (r > lane), forms = q2 + (r2 > lane);
      const std::int64_t fills = 2 * had + kept[lane] - 3 * forms;
      needed += std::max<std::int64_t>(-fills, 0) - lack(forms, had);
      if (lane < lanes && (r2 == 0 || r2 > lane)) surplus[lane] = std::max<std::int64_t>(fills, 0);
    }
    const bool shared = over == 2 && surplus[0] == 1 && surplus[1] > 0;
    kept[0] = surplus[0] >= over ? over : shared ? 1 : 0;
    kept[1] = shared ? 1 : 0;
    ++found.stages;
    found.rounds += (after + lanes - 1) / lanes;
    found.moves += needed;
    groups = after;
    total -= after;
  }
  return found;
}

}  // namespace rapidnn
