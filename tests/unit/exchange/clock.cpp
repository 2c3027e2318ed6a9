#include "clock.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace culvert::waypoint::test {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kStart = std::chrono::hours(1000);
nanoseconds g_now = kStart;
bool g_simulating = false;

/// Knows one kind of request: the loop's own reads of its eventfd.
class ClockBackend final : public io::Backend {
 public:
  void start(io::IoRequest& request) override {
    REQUIRE(request.kind == io::IoKind::kRead);
    reads_.push_back(&request);
  }
  void cancel(io::IoRequest& request) override { cancelled_.push_back(&request); }
  void turn(bool wait, io::Deadline until) override {
    bool any = finish_cancelled();
    for (auto* read : std::vector(reads_)) {
      pollfd ready{read->fd, POLLIN, 0};
      if (::poll(&ready, 1, 0) != 1) continue;
      const auto n = ::read(read->fd, read->data, read->size);
      std::erase(reads_, read);
      read->complete(static_cast<std::int32_t>(n), io::kNoBuffer);
      any = true;
    }
    if (any || !wait) return;
    REQUIRE_MESSAGE(until != io::kNoDeadline, "all fibers wait for ever");
    g_now = std::max(g_now, std::chrono::duration_cast<nanoseconds>(until.time_since_epoch()));
  }
  std::span<std::uint8_t> buffer(std::uint16_t) override { return {}; }
  void return_buffer(std::uint16_t) override {}
  std::size_t free_buffers() const override { return 0; }
  std::size_t buffer_count() const override { return 0; }
  std::size_t in_flight() const override { return reads_.size(); }

 private:
  bool finish_cancelled() {
    bool any = false;
    for (auto* request : std::exchange(cancelled_, {})) {
      if (std::erase(reads_, request) == 0) continue;
      request->complete(-ECANCELED, io::kNoBuffer);
      any = true;
    }
    return any;
  }

  std::vector<io::IoRequest*> reads_, cancelled_;
};

}  // namespace

Simulation::Simulation() {
  g_simulating = true;
  loop_ = std::make_unique<io::Loop>(std::make_unique<ClockBackend>(),
                                     UniqueFd(::eventfd(0, EFD_CLOEXEC)));
}

Simulation::~Simulation() {
  loop_.reset();
  g_simulating = false;
}

std::chrono::milliseconds simulated_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(g_now - kStart);
}

}  // namespace culvert::waypoint::test

// In place of the C library's: what the whole program calls.
extern "C" int clock_gettime(clockid_t clock, timespec* out) {
  using culvert::waypoint::test::g_now;
  if (!culvert::waypoint::test::g_simulating || clock != CLOCK_MONOTONIC) {
    return static_cast<int>(::syscall(SYS_clock_gettime, clock, out));
  }
  *out = {g_now.count() / 1'000'000'000, g_now.count() % 1'000'000'000};
  return 0;
}
