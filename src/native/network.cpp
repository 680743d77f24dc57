#include "network.h"

#include <algorithm>
#include <atomic>

#include "block.h"
#include "pool.h"

namespace rapidnn {
namespace {

// A thread's use of kernels that have to be told.
class Entered {
 public:
  explicit Entered(const Kernels& kernels) : kernels_(kernels) {
    if (kernels_.enter != nullptr) kernels_.enter();
  }
  ~Entered() {
    if (kernels_.leave != nullptr) kernels_.leave();
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  const Kernels& kernels_;
};

// A room for one run, to be given back.
class Borrowed {
 public:
  explicit Borrowed(Rooms& rooms) : rooms_(rooms), room_(rooms.take()) {}
  ~Borrowed() { rooms_.give(std::move(room_)); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  Room& operator*() const { return *room_; }
  Room* operator->() const { return room_.get(); }

 private:
  Rooms& rooms_;
  std::unique_ptr<Room> room_;
};

// A larger room takes less time to make than a run in it.
constexpr std::size_t kMostKept = std::size_t{64} << 20;

// A rest of this many samples is worth a whole vector of them; fewer go one by one.
constexpr std::int64_t kWorthAVector = 12;

// Samples that one thread takes one after the other share the weights in its cache.
constexpr std::int64_t kMaxInTurn = 64;

std::vector<Piece> split(std::int64_t samples, int threads, bool wide, bool double_width) {
  std::vector<Piece> pieces;
  const std::int64_t share = (samples + threads - 1) / threads;
  for (std::int64_t at = 0; at < samples;) {
    const std::int64_t rest = samples - at;
    int lanes = 1;
    if (wide && double_width && rest >= std::int64_t{2} * kLanes * threads) {
      lanes = 2 * kLanes;
    } else if (wide && rest >= kWorthAVector) {
      lanes = kLanes;
    }
    const std::int64_t most = lanes > 1 ? lanes : std::min(kMaxInTurn, share);
    const int count = static_cast<int>(std::min(most, rest));
    pieces.push_back({at, lanes, count});
    at += count;
  }
  return pieces;
}

}  // namespace

Rooms::Rooms() = default;
Rooms::~Rooms() = default;

std::unique_ptr<Room> Rooms::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_.empty()) return std::make_unique<Room>();
  std::unique_ptr<Room> room = std::move(free_.back());
  free_.pop_back();
  return room;
}

void Rooms::give(std::unique_ptr<Room> room) {
  if (room->bytes() > kMostKept) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(std::move(room));
}

void Network::seal() {
  readers_.assign(edges.size(), 0);
  reads_.clear();
  double_width_ = true;
  taps_ = 0;
  for (const Step& step : steps) {
    std::vector<int> read = step.sources;
    if (step.kind == Step::kWeighted) {
      read.push_back(step.weighted.source);
      // Sums of three planes, four rows and two vectors would not fit the registers.
      const Weighted& layer = step.weighted;
      taps_ += static_cast<std::int64_t>(layer.walk.base.size()) * layer.walk.taps * (layer.channels / layer.groups);
      const Lookup& lookup = layer.outer.ranks > 0 ? layer.outer.lookup : layer.plain;
      for (const PlaneTable& table : lookup.tables) double_width_ = double_width_ && table.planes < 3;
      for (const Term& term : step.weighted.terms) read.push_back(term.edge);
    }
    if (step.kind == Step::kPooled || step.kind == Step::kMaxPool) read.push_back(step.windows.source);
    if (step.kind == Step::kEncode) read.push_back(step.source);
    for (const Term& term : step.terms) read.push_back(term.edge);
    for (int edge : read) ++readers_[static_cast<std::size_t>(edge)];
    reads_.push_back(std::move(read));
  }
  ++readers_[static_cast<std::size_t>(output)];
}

// Whether every weighted layer is a byte dot product that takes samples one after the other.
bool Network::prefers_dots(const Kernels& kernels, bool use_factors) const {
  if (!use_factors || kernels.dot_lanes != nullptr) return false;
  return std::all_of(steps.begin(), steps.end(), [](const Step& step) {
    return step.kind != Step::kWeighted || step.weighted.exact.ranks > 0;
  });
}

// Threads take pieces of their own where there are enough of them, full ones; else they share the steps of every piece.
void Network::run(const float* x, std::int64_t samples, std::int64_t inputs, std::int32_t* out, int threads,
                  const Kernels& kernels, bool use_factors, const Watch* watch) const {
  const bool wide = !prefers_dots(kernels, use_factors), doubled = double_width_ && kernels.double_width;
  const std::int64_t full = wide ? kLanes * (doubled ? 2 : 1) : 1;
  const auto helpful = std::min<std::int64_t>(threads, std::max<std::int64_t>(1, taps_ * samples / taps_per_thread));
  const bool together = helpful > 1 && (samples < threads || (wide && samples >= kWorthAVector && samples < full * threads));
  const std::vector<Piece> pieces = split(samples, together ? 1 : threads, wide, doubled);
  if (!together) {
    std::atomic<std::size_t> next{0};
    const int most = std::min<int>(threads, static_cast<int>(pieces.size()));
    return on_threads(most, [](int) {}, [&](int) {
      Crew alone;
      alone.start(1);
      const Borrowed room(rooms_);
      Block block(*this, kernels, use_factors, {alone, 0}, watch, *room);
      const Entered entered(kernels);
      for (std::size_t i = next++; i < pieces.size(); i = next++) block.run(pieces[i], room->hold(*this, pieces[i]), x, inputs, out);
    });
  }
  Crew crew;
  const Borrowed shared(rooms_);
  std::vector<std::vector<std::uint8_t*>> edges;
  for (const Piece& piece : pieces) edges.push_back(shared->hold(*this, piece));
  on_threads(static_cast<int>(helpful), [&](int members) { crew.start(members); }, [&](int number) {
    try {
      crew.await_start();
      const Borrowed room(rooms_);
      Block block(*this, kernels, use_factors, {crew, number}, watch, *room);
      const Entered entered(kernels);
      for (std::size_t i = 0; i < pieces.size(); ++i) block.run(pieces[i], edges[i], x, inputs, out);
    } catch (...) {
      crew.give_up();
      throw;
    }
  });
}

}  // namespace rapidnn
