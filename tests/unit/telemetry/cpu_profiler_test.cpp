#include "culvert/telemetry/cpu_profiler.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

using namespace culvert;
using namespace culvert::telemetry;
using namespace std::chrono_literals;

namespace {

std::atomic<bool> g_stop{false};
std::atomic<std::uint64_t> g_turns{0};

// What the profile is to find.
[[gnu::noinline]] void spin_for_the_profile() {
  while (!g_stop.load(std::memory_order_relaxed)) g_turns.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

TEST_CASE("a profile is gzip, and bounds are kept") {
  CpuProfiler profiler;
  for (const auto& [seconds, hertz] : {std::pair{0s, 100}, std::pair{301s, 100}, std::pair{1s, 0},
                                       std::pair{1s, 1001}, std::pair{-1s, 10}}) {
    const auto refused = profiler.run(seconds, hertz);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::kInvalid);
  }
  g_stop = false;
  std::thread busy(spin_for_the_profile);
  const auto profile = profiler.run(1s, 1000);
  g_stop = true;
  busy.join();
  REQUIRE(profile.has_value());
  CHECK(profile->substr(0, 2) == "\x1f\x8b");
}

TEST_CASE("there is one profile at a time, and a stop ends it") {
  CpuProfiler first, second;
  std::atomic<bool> began{false};
  Result<std::string> outcome;
  std::thread taking([&] {
    began = true;
    do {  // the second may be quicker
      outcome = first.run(300s, 10);
    } while (!outcome && outcome.error().code == ErrorCode::kLimit);
  });
  while (!began) std::this_thread::yield();
  ErrorCode refusal = ErrorCode::kInvalid;
  while (refusal != ErrorCode::kLimit) {  // until the first has it
    second.stop();                        // so that it does not take one itself
    const auto refused = second.run(1s, 10);
    REQUIRE_FALSE(refused.has_value());
    refusal = refused.error().code;
  }
  first.stop();
  taking.join();
  REQUIRE_FALSE(outcome.has_value());
  CHECK(outcome.error().code == ErrorCode::kCancelled);
}
