// The client of new connections: connect, one request, the origin closes, again.
//
// The origin closes first, so that TIME_WAIT stays on its side: otherwise the client's 28,000
// source ports would bound all ways alike at 470 connections a second.
#include <fmt/format.h>

#include <cerrno>
#include <vector>

#include "bench/clients.hpp"
#include "bench/histogram.hpp"

namespace culvert::bench {
namespace {

constexpr std::uint64_t kPatience = 10 * kSecond;

struct Slot {
  UniqueFd fd;
  Call call;
  std::uint64_t begun_ns = 0;
  bool connected = false;
};

class Connects {
 public:
  Connects(const Target& target, const ConnectOptions& options)
      : target_(target), options_(options), slots_(options.concurrency) {}

  int run() {
    count_from_ns_ = now_ns() + static_cast<std::uint64_t>(options_.warm_up * 1e9);
    stop_ns_ = count_from_ns_ + static_cast<std::uint64_t>(options_.seconds * 1e9);
    for (Slot& slot : slots_) begin(slot);
    while (open_ > 0) {
      const auto events = poller_.wait(stop_ns_ + kPatience);
      if (events.empty() && now_ns() >= stop_ns_ + kPatience) {
        failures_.add("connection", ETIMEDOUT);
        break;
      }
      for (const epoll_event& event : events)
        advance(*by_fd_[static_cast<std::size_t>(event.data.fd)]);
    }
    return print();
  }

 private:
  void begin(Slot& slot) {
    while (now_ns() < stop_ns_ && failures_.count() < kFailuresMax) {
      int error = 0;
      slot.begun_ns = now_ns();
      slot.connected = false;
      slot.fd = start_connect(target_.address, error);
      if (error != 0) {
        failures_.add("connect", error);
        continue;
      }
      const auto index = static_cast<std::size_t>(slot.fd.get());
      if (by_fd_.size() <= index) by_fd_.resize(index + 1);
      by_fd_[index] = &slot;
      poller_.add(slot.fd.get(), EPOLLOUT);
      ++open_;
      return;
    }
  }

  void end(Slot& slot) {
    slot.fd.reset();  // which takes it out of the poller
    --open_;
    begin(slot);
  }

  void advance(Slot& slot) {
    if (!slot.connected) {
      if (const int error = connect_error(slot.fd.get()); error != 0) {
        failures_.add("connect", error);
        return end(slot);
      }
      slot.connected = true;
      if (!slot.call.begin(slot.fd.get(), target_, target_.answer_bytes, ++begun_, true, failures_))
        return end(slot);
      return poller_.modify(slot.fd.get(), EPOLLIN);
    }
    const Call::State state = slot.call.advance(slot.fd.get(), failures_);
    if (state == Call::State::kMore) return;
    if (state == Call::State::kDone) {
      const std::uint64_t now = now_ns();
      ++done_;
      if (slot.begun_ns >= count_from_ns_) latency_.add(now - slot.begun_ns);
      if (now >= count_from_ns_ && now < stop_ns_) ++counted_;
    }
    end(slot);
  }

  int print() const {
    fmt::print(R"({{"connections":{},"done_in_all":{},"seconds":{:.3f},"per_s":{:.1f},)"
               R"("latency_us":{},"wrong":{},"failures":{}}})"
               "\n",
               counted_, done_, options_.seconds, static_cast<double>(counted_) / options_.seconds,
               latency_.to_json(), failures_.wrong_count(), failures_.to_json());
    return failures_.exit_status();
  }

  static constexpr std::uint64_t kFailuresMax = 10'000;  // then nothing works, and it says so

  Target target_;
  ConnectOptions options_;
  std::vector<Slot> slots_;
  std::vector<Slot*> by_fd_;
  Poller poller_;
  Histogram latency_;
  Failures failures_;
  std::uint64_t count_from_ns_ = 0, stop_ns_ = 0;
  std::uint64_t begun_ = 0, done_ = 0, counted_ = 0;
  unsigned open_ = 0;
};

}  // namespace

int run_connects(const Target& target, const ConnectOptions& options) {
  return Connects(target, options).run();
}

}  // namespace culvert::bench
