// The client of kept connections: as fast as they are answered, or at a fixed rate (Pace).
#include <cerrno>
#include <deque>
#include <vector>

#include "bench/clients.hpp"
#include "bench/pace.hpp"

namespace culvert::bench {
namespace {

struct Connection {
  UniqueFd fd;
  Call call;
  std::uint64_t due_ns = 0;
};

class Requests {
 public:
  Requests(const Target& target, const RequestOptions& options)
      : target_(target), pace_(options), connections_(options.connections) {}

  int run() {
    if (!connect()) return pace_.print(failures_);
    pace_.start();
    send_due(now_ns());
    while (!pace_.ended(now_ns()) || busy_ > 0) {
      if (now_ns() > pace_.give_up_ns()) {
        failures_.add("answer", ETIMEDOUT);
        break;
      }
      for (const epoll_event& event : poller_.wait(pace_.next_wake(busy_, !idle_.empty())))
        receive(event.data.fd);
      send_due(now_ns());
    }
    return pace_.print(failures_);
  }

 private:
  bool connect() {
    auto fds = connect_all(target_.address, static_cast<unsigned>(connections_.size()), failures_);
    if (failures_.count() > 0) return false;
    for (std::size_t i = 0; i < fds.size(); ++i) {
      Connection& c = connections_[i];
      c.fd = std::move(fds[i]);
      const auto index = static_cast<std::size_t>(c.fd.get());
      if (by_fd_.size() <= index) by_fd_.resize(index + 1);
      by_fd_[index] = &c;
      poller_.add(c.fd.get(), EPOLLIN);
      idle_.push_back(&c);
    }
    return true;
  }

  void send_due(std::uint64_t now) {
    while (!idle_.empty()) {
      const auto due = pace_.take_due(now);
      if (!due) return;
      Connection& c = *idle_.front();
      idle_.pop_front();
      c.due_ns = *due;
      if (c.call.begin(c.fd.get(), target_, target_.answer_bytes, pace_.number(), false, failures_))
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
    pace_.answered(c.due_ns, now_ns());
    idle_.push_back(&c);
  }

  Target target_;
  Pace pace_;
  std::vector<Connection> connections_;
  std::vector<Connection*> by_fd_;
  std::deque<Connection*> idle_;  // the one that rested longest first: all take part
  Poller poller_;
  Failures failures_;
  unsigned busy_ = 0;
};

}  // namespace

int run_requests(const Target& target, const RequestOptions& options) {
  return Requests(target, options).run();
}

}  // namespace culvert::bench
