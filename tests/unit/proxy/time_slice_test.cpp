#include "culvert/proxy/time_slice.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

using namespace culvert;

namespace {

// sched_getattr(2) of the calling thread: policy, nice value, and the slice of SCHED_OTHER.
struct Scheduling {
  std::uint32_t policy = 99;
  std::int32_t nice = 99;
  std::uint64_t slice_ns = 0;
};

Scheduling read_back() {
  std::array<unsigned char, 48> raw{};
  REQUIRE(::syscall(SYS_sched_getattr, 0, raw.data(), raw.size(), 0U) == 0);
  Scheduling out;
  std::memcpy(&out.policy, raw.data() + 4, sizeof out.policy);
  std::memcpy(&out.nice, raw.data() + 16, sizeof out.nice);
  std::memcpy(&out.slice_ns, raw.data() + 24, sizeof out.slice_ns);
  return out;
}

std::pair<int, int> kernel() {
  utsname name{};
  REQUIRE(::uname(&name) == 0);
  std::pair<int, int> out;
  REQUIRE(std::sscanf(name.release, "%d.%d", &out.first, &out.second) == 2);
  return out;
}

}  // namespace

TEST_CASE("a thread gets short time slices, and nothing else of its scheduling changes") {
  Scheduling before, after, elsewhere;
  Result<void> taken;
  std::thread([&] {
    before = read_back();
    taken = proxy::take_short_slices(proxy::kDataThreadSlice);
    after = read_back();
  }).join();
  std::thread([&] { elsewhere = read_back(); }).join();
  REQUIRE(taken.has_value());
  CHECK(after.policy == SCHED_OTHER);
  CHECK(after.nice == before.nice);
  CHECK(elsewhere.slice_ns == before.slice_ns);
  if (kernel() >= std::pair(6, 12)) CHECK(after.slice_ns == 100'000);
}
