// The client of bulk transfers.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "bench/clients.hpp"
#include "bench/http.hpp"

namespace culvert::bench {
namespace {

constexpr int kCallsInARow = 8;                    // then the other streams have their turn
constexpr std::uint64_t kPatience = 60 * kSecond;  // beyond the time that sending takes

// One upload: the request, the pattern, the end of stream, the origin's report.
class Upload {
 public:
  Upload(UniqueFd fd, std::uint64_t stream) : fd_(std::move(fd)), stream_(stream) {}

  int fd() const { return fd_.get(); }
  bool done = false;
  std::uint64_t confirmed = 0;

  // True while there is more to send.
  bool send(std::uint64_t limit, bool stop, Failures& failures) {
    if (!asked_) {
      const std::string request = put_request(stream_);
      if (::send(fd(), request.data(), request.size(), 0) != static_cast<ssize_t>(request.size())) {
        failures.add("request", errno);
        return !(done = true);
      }
      asked_ = true;
    }
    for (int i = 0; i < kCallsInARow && !stop && sent_ < limit; ++i) {
      const auto piece =
          pattern(stream_, sent_).substr(0, std::min<std::uint64_t>(kSpanBytes, limit - sent_));
      const ssize_t n = ::send(fd(), piece.data(), piece.size(), 0);
      if (n < 0 && errno == EAGAIN) return true;
      if (n < 0) {
        failures.add("send", errno);
        return !(done = true);
      }
      sent_ += static_cast<std::uint64_t>(n);
    }
    if (!stop && sent_ < limit) return true;
    ::shutdown(fd(), SHUT_WR);
    return false;
  }

  void receive(Failures& failures) {
    std::array<char, 1024> buffer;
    const ssize_t n = ::recv(fd(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) return answer_.append(buffer.data(), static_cast<std::size_t>(n)), void();
    done = true;
    const auto report = parse_sink_answer(answer_);
    if (n < 0 || !report) return failures.add("report", n < 0 ? errno : 0);
    if (report->wrong > 0 || report->bytes != sent_) return failures.wrong("upload");
    confirmed = report->bytes;
  }

 private:
  UniqueFd fd_;
  std::uint64_t stream_;
  std::string answer_;
  std::uint64_t sent_ = 0;
  bool asked_ = false;
};

int report(std::uint64_t bytes, std::uint64_t took_ns, const Failures& failures) {
  const double seconds = static_cast<double>(took_ns) / 1e9;
  fmt::print(R"({{"bytes":{},"seconds":{:.6f},"mbit_s":{:.1f},"wrong":{},"failures":{}}})"
             "\n",
             bytes, seconds, static_cast<double>(bytes) * 8 / 1e6 / seconds, failures.wrong_count(),
             failures.to_json());
  return failures.exit_status();
}

int upload(const Target& target, const BulkOptions& options) {
  Failures failures;
  Poller poller;
  std::vector<Upload> streams;
  for (UniqueFd& fd : connect_all(target.address, options.streams, failures)) {
    poller.add(fd.get(), EPOLLOUT);
    streams.emplace_back(std::move(fd), streams.size());
  }
  const std::uint64_t start = now_ns();
  const std::uint64_t stop =
      options.seconds > 0 ? start + static_cast<std::uint64_t>(options.seconds * 1e9) : kNoDeadline;
  const std::uint64_t give_up = (stop == kNoDeadline ? start : stop) + kPatience;
  const std::uint64_t limit = options.bytes > 0 ? options.bytes : UINT64_MAX;
  auto find = [&](int fd) { return std::ranges::find(streams, fd, &Upload::fd); };
  while (std::ranges::any_of(streams, [](const Upload& s) { return !s.done; })) {
    if (now_ns() > give_up) {
      failures.add("upload", ETIMEDOUT);
      break;
    }
    for (const epoll_event& event : poller.wait(give_up)) {
      Upload& stream = *find(event.data.fd);
      if (event.events & EPOLLOUT) {
        if (!stream.send(limit, now_ns() >= stop, failures))
          stream.done ? poller.remove(stream.fd()) : poller.modify(stream.fd(), EPOLLIN);
      } else {
        stream.receive(failures);
        if (stream.done) poller.remove(stream.fd());
      }
    }
  }
  const std::uint64_t took = now_ns() - start;
  std::uint64_t bytes = 0;
  for (const Upload& stream : streams) bytes += stream.confirmed;
  return report(bytes, took, failures);
}

// Several GETs of `bytes` each.
int download(const Target& target, const BulkOptions& options) {
  Failures failures;
  Poller poller;
  std::vector<UniqueFd> fds = connect_all(target.address, options.streams, failures);
  std::vector<Call> calls(fds.size());
  const std::uint64_t start = now_ns();
  std::size_t open = 0, whole = 0;
  for (std::size_t i = 0; i < fds.size(); ++i) {
    calls[i].set_every_byte(options.every_byte);
    if (!calls[i].begin(fds[i].get(), target, options.bytes, i, false, failures)) continue;
    poller.add(fds[i].get(), EPOLLIN);
    ++open;
  }
  while (open > 0) {
    const auto events = poller.wait(now_ns() + kPatience);
    if (events.empty()) {
      failures.add("download", ETIMEDOUT);
      break;
    }
    for (const epoll_event& event : events) {
      const auto at = std::ranges::find(fds, event.data.fd, &UniqueFd::get) - fds.begin();
      const Call::State state =
          calls[static_cast<std::size_t>(at)].advance(event.data.fd, failures);
      if (state == Call::State::kMore) continue;
      poller.remove(event.data.fd);
      --open;
      if (state == Call::State::kDone) ++whole;
    }
  }
  return report(whole * options.bytes, now_ns() - start, failures);
}

}  // namespace

int run_bulk(const Target& target, const BulkOptions& options) {
  return options.download ? download(target, options) : upload(target, options);
}

}  // namespace culvert::bench
