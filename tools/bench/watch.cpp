// The client that sees changes of policy: one new connection after the other, and when they turn.
#include <fmt/format.h>
#include <poll.h>

#include <optional>

#include "bench/clients.hpp"

namespace culvert::bench {
namespace {

constexpr std::uint64_t kPatience = 2 * kSecond;  // an answer that takes longer is none
constexpr int kPauseMs = 1;

bool wait_for(int fd, std::uint32_t events, std::uint64_t deadline) {
  Poller poller;
  poller.add(fd, events);
  return !poller.wait(deadline).empty();
}

bool answered(const Target& target, std::uint64_t number, Failures& failures) {
  const std::uint64_t deadline = now_ns() + kPatience;
  int error = 0;
  const UniqueFd fd = start_connect(target.address, error);
  if (error != 0 || !wait_for(fd.get(), EPOLLOUT, deadline) || connect_error(fd.get()) != 0)
    return false;
  Call call;
  if (!call.begin(fd.get(), target, target.answer_bytes, number, true, failures)) return false;
  Call::State state = Call::State::kMore;
  while (state == Call::State::kMore && wait_for(fd.get(), EPOLLIN, deadline))
    state = call.advance(fd.get(), failures);
  return state == Call::State::kDone;
}

}  // namespace

int run_watch(const Target& target) {
  std::optional<bool> before;
  for (std::uint64_t number = 0;; ++number) {
    Failures failures;  // to be refused is no failure here, wrong bytes are
    const bool now = answered(target, number, failures);
    if (failures.wrong_count() > 0) return failures.exit_status();
    if (before != now) {
      fmt::print(R"({{"at_ns":{},"answered":{}}})"
                 "\n",
                 now_ns(), now);
      std::fflush(stdout);
    }
    before = now;
    pollfd input{.fd = 0, .events = POLLIN, .revents = 0};
    if (::poll(&input, 1, kPauseMs) > 0) return 0;
  }
}

}  // namespace culvert::bench
