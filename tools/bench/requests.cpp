// The client of kept connections: as fast as they are answered, or at a fixed rate.
//
// At a fixed rate the k-th request is due at start + k/rate, whatever became of those before it;
// when all connections are busy it waits here, and its latency counts from when it was due. So a
// stall shows in as many latencies as it delayed (no coordinated omission).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <vector>

#include "bench/clients.hpp"
#include "bench/histogram.hpp"

namespace culvert::bench {
namespace {

constexpr std::uint64_t kPatience = 10 * kSecond;  // for the last answers

struct Connection {
  UniqueFd fd;
  Call call;
  std::uint64_t due_ns = 0;
};

class Requests {
 public:
  Requests(const Target& target, const RequestOptions& options)
      : target_(target), options_(options), connections_(options.connections) {}

  int run() {
    if (!connect_all()) return print();
    start_ns_ = now_ns();
    count_from_ns_ = start_ns_ + static_cast<std::uint64_t>(options_.warm_up * 1e9);
    stop_ns_ = count_from_ns_ + static_cast<std::uint64_t>(options_.seconds * 1e9);
    send_due(start_ns_);
    while (now_ns() < stop_ns_ || busy_ > 0) {
      if (now_ns() > stop_ns_ + kPatience) {
        failures_.add("answer", ETIMEDOUT);
        break;
      }
      for (const epoll_event& event : poller_.wait(next_wake())) receive(event.data.fd);
      send_due(now_ns());
    }
    return print();
  }

 private:
  bool connect_all() {
    unsigned open = 0;
    for (Connection& c : connections_) {
      int error = 0;
      c.fd = start_connect(target_.address, error);
      const auto index = static_cast<std::size_t>(c.fd.get());
      if (by_fd_.size() <= index) by_fd_.resize(index + 1);
      by_fd_[index] = &c;
      if (error != 0)
        failures_.add("connect", error);
      else
        poller_.add(c.fd.get(), EPOLLOUT);
    }
    const std::uint64_t give_up = now_ns() + kPatience;
    while (open < connections_.size() && failures_.count() == 0) {
      const auto events = poller_.wait(give_up);
      if (events.empty()) failures_.add("connect", ETIMEDOUT);
      for (const epoll_event& event : events) {
        Connection& c = *by_fd_[static_cast<std::size_t>(event.data.fd)];
        if (const int error = connect_error(event.data.fd); error != 0)
          failures_.add("connect", error);
        poller_.modify(event.data.fd, EPOLLIN);
        idle_.push_back(&c);
        ++open;
      }
    }
    return failures_.count() == 0;
  }

  std::uint64_t due_at(std::uint64_t number) const {
    const std::uint64_t together = number - number % options_.burst;
    return start_ns_ +
           static_cast<std::uint64_t>(static_cast<double>(together) * 1e9 / options_.rate);
  }

  std::uint64_t next_wake() const {
    const std::uint64_t limit = busy_ > 0 ? stop_ns_ + kPatience : stop_ns_;
    if (options_.rate <= 0 || idle_.empty()) return limit;
    return std::min(limit, due_at(sent_));
  }

  void send_due(std::uint64_t now) {
    while (!idle_.empty() && now < stop_ns_) {
      const std::uint64_t due = options_.rate > 0 ? due_at(sent_) : now;
      if (due > now || due >= stop_ns_) return;
      Connection& c = *idle_.front();
      idle_.pop_front();
      c.due_ns = due;
      if (c.call.begin(c.fd.get(), target_, target_.answer_bytes, sent_++, false, failures_))
        ++busy_;
    }
  }

  void receive(int fd) {
    Connection& c = *by_fd_[static_cast<std::size_t>(fd)];
    const Call::State state = c.call.advance(fd, failures_);
    if (state == Call::State::kMore) return;
    --busy_;
    if (state == Call::State::kFailed) {
      c.fd.reset();  // which takes it out of the poller
      return;
    }
    const std::uint64_t now = now_ns();
    ++answered_;
    if (c.due_ns >= count_from_ns_) latency_.add(now - c.due_ns);
    if (now >= count_from_ns_ && now < stop_ns_) ++counted_;
    idle_.push_back(&c);
  }

  int print() const {
    fmt::print(R"({{"requests":{},"answered_in_all":{},"seconds":{:.3f},"per_s":{:.1f},)"
               R"("latency_us":{},"wrong":{},"failures":{}}})"
               "\n",
               counted_, answered_, options_.seconds,
               static_cast<double>(counted_) / options_.seconds, latency_.to_json(),
               failures_.wrong_count(), failures_.to_json());
    return failures_.exit_status();
  }

  Target target_;
  RequestOptions options_;
  std::vector<Connection> connections_;
  std::vector<Connection*> by_fd_;
  std::deque<Connection*> idle_;  // the one that rested longest first: all take part
  Poller poller_;
  Histogram latency_;
  Failures failures_;
  std::uint64_t start_ns_ = 0, count_from_ns_ = 0, stop_ns_ = 0;
  std::uint64_t sent_ = 0, answered_ = 0, counted_ = 0;
  unsigned busy_ = 0;
};

}  // namespace

int run_requests(const Target& target, const RequestOptions& options) {
  return Requests(target, options).run();
}

}  // namespace culvert::bench
