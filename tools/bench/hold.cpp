// The client of idle connections: opens as many as it is told, and shows on demand that all live.
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "bench/clients.hpp"

namespace culvert::bench {
namespace {

constexpr unsigned kAtOnce = 64;  // asked or opened together
constexpr std::uint64_t kPatience = 30 * kSecond;
constexpr std::size_t kMost = 60'000;
constexpr std::uint64_t kStalledBytes = 64U << 20;  // more than all buffers on the way hold

class Held {
 public:
  explicit Held(const Target& target) : target_(target) {}

  // Opens until there are `count`, each asked once.
  void open(std::size_t count) {
    while (fds_.size() < count && failures_.count() == 0) {
      const std::size_t begin = fds_.size();
      for (std::size_t i = 0; i < std::min<std::size_t>(kAtOnce, count - begin); ++i) {
        int error = 0;
        fds_.push_back(start_connect(target_.address, error));
        if (error != 0) failures_.add("connect", error);
      }
      ask(begin, fds_.size());
    }
  }

  void ask_all() {
    for (std::size_t i = 0; i < fds_.size() && failures_.count() == 0; i += kAtOnce)
      ask(i, std::min(fds_.size(), i + kAtOnce));
  }

  // Opens `count` more that ask for a long answer and never read it.
  void stall(std::size_t count) {
    for (std::size_t i = 0; i < count && failures_.count() == 0; ++i) {
      int error = 0;
      UniqueFd fd = start_connect(target_.address, error);
      Poller poller;
      poller.add(fd.get(), EPOLLOUT);
      if (error == 0 && poller.wait(now_ns() + kPatience).empty()) error = ETIMEDOUT;
      if (error == 0) error = connect_error(fd.get());
      if (error != 0) return failures_.add("connect", error);
      Call call;
      if (call.begin(fd.get(), target_, kStalledBytes, ++asked_, false, failures_))
        stalled_.push_back(std::move(fd));
    }
  }

  void close() {
    fds_.clear();
    stalled_.clear();
  }

  void print() const {
    fmt::print(R"({{"open":{},"stalled":{},"wrong":{},"failures":{}}})"
               "\n",
               fds_.size(), stalled_.size(), failures_.wrong_count(), failures_.to_json());
    std::fflush(stdout);
  }
  int exit_status() const { return failures_.exit_status(); }

 private:
  // One request on each of [begin, end), all at once.
  void ask(std::size_t begin, std::size_t end) {
    Poller poller;
    std::vector<Call> calls(end - begin);
    std::vector<std::size_t> by_fd;
    for (std::size_t i = begin; i < end; ++i) {
      const auto fd = static_cast<std::size_t>(fds_[i].get());
      if (by_fd.size() <= fd) by_fd.resize(fd + 1);
      by_fd[fd] = i;
      poller.add(fds_[i].get(), EPOLLOUT);
    }
    std::vector<bool> asked(end - begin, false);
    std::size_t left = end - begin;
    const std::uint64_t give_up = now_ns() + kPatience;
    while (left > 0) {
      const auto events = poller.wait(give_up);
      if (events.empty()) return failures_.add("answer", ETIMEDOUT);
      for (const epoll_event& event : events) {
        const int fd = event.data.fd;
        const std::size_t i = by_fd[static_cast<std::size_t>(fd)] - begin;
        Call::State state = Call::State::kMore;
        if (!asked[i]) {
          asked[i] = true;
          if (const int error = connect_error(fd); error != 0)
            return failures_.add("connect", error);
          if (!calls[i].begin(fd, target_, target_.answer_bytes, ++asked_, false, failures_))
            return;
          poller.modify(fd, EPOLLIN);
        } else {
          state = calls[i].advance(fd, failures_);
        }
        if (state == Call::State::kFailed) return;
        if (state != Call::State::kDone) continue;
        poller.remove(fd);
        --left;
      }
    }
  }

  Target target_;
  std::vector<UniqueFd> fds_, stalled_;
  Failures failures_;
  std::uint64_t asked_ = 0;
};

}  // namespace

int run_hold(const Target& target) {
  Held held(target);
  std::string word;
  while (std::cin >> word) {
    if (word == "open") {
      std::size_t count = 0;
      std::cin >> count;
      held.open(std::min(count, kMost));
    } else if (word == "stall") {
      std::size_t count = 0;
      std::cin >> count;
      held.stall(std::min(count, kMost));
    } else if (word == "ask") {
      held.ask_all();
    } else if (word == "close") {
      held.close();
    } else {
      fmt::print(stderr, "culvert-bench: no such word: {}\n", word);
      return 2;
    }
    held.print();
  }
  return held.exit_status();
}

}  // namespace culvert::bench
