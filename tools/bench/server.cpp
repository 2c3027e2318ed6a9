#include "bench/server.hpp"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "bench/h2_server.hpp"
#include "bench/http.hpp"
#include "bench/net.hpp"
#include "bench/pattern.hpp"

namespace culvert::bench {
namespace {

constexpr int kReadsInARow = 16;  // then others have their turn

enum class Next : std::uint8_t { kRead, kWrite, kClose };

class Exchange {
 public:
  explicit Exchange(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  bool waits_to_write = false;

  /// What to wait for next.
  Next advance() {
    if (h2_) return advance_h2();
    for (int i = 0; i < kReadsInARow; ++i) {
      if (!out_head_.empty() || out_left_ > 0) return send_answer();
      if (closing_) return Next::kClose;
      const ssize_t n = ::recv(fd(), buffer_.data(), buffer_.size(), 0);
      if (n < 0) return errno == EAGAIN ? Next::kRead : Next::kClose;
      if (n == 0 && !sink_) return Next::kClose;
      if (n == 0)
        finish_sink();
      else if (!take({buffer_.data(), static_cast<std::size_t>(n)}))
        return Next::kClose;
      if (h2_) return after_h2(h2_->link().flush(fd()));
    }
    return Next::kRead;
  }

 private:
  Next advance_h2() {
    const bool open = h2_->link().blocked() ? h2_->link().flush(fd()) : h2_->link().read(fd());
    return after_h2(open);
  }

  Next after_h2(bool open) const {
    if (!open) return Next::kClose;
    return h2_->link().blocked() ? Next::kWrite : Next::kRead;
  }

  bool take(std::string_view got) {
    if (sink_) {
      if (!sink_->take(got)) ++wrong_;
      return true;
    }
    if (head_.empty() && got.starts_with(kH2PrefaceStart)) {
      h2_ = std::make_unique<H2Exchange>();
      return h2_->link().take(got);
    }
    if (head_.empty() && head_end(got) == got.size()) return answer(got);
    head_ += got;
    const std::size_t end = head_end(head_);
    if (end == std::string::npos) return head_.size() < kMaxHeadBytes;
    const std::string rest = head_.substr(end);
    if (!answer(std::string_view(head_).substr(0, end))) return false;
    head_.clear();
    return rest.empty() || (sink_ && take(rest));  // nobody here sends a request early
  }

  bool answer(std::string_view head) {
    const auto request = parse_request(head);
    if (!request) return false;
    closing_ = request->close && request->kind == Request::Kind::kBytes;
    if (request->kind == Request::Kind::kSink) {
      sink_ = std::make_unique<PatternCheck>(request->stream);
      return true;
    }
    out_head_ = answer_head(request->size);
    out_left_ = request->size;
    out_stream_ = request->stream;
    out_offset_ = 0;
    return true;
  }

  void finish_sink() {
    out_head_ = sink_answer({sink_->bytes(), wrong_});
    sink_.reset();
    closing_ = true;
  }

  // As much as the socket takes; head and body leave together.
  Next send_answer() {
    while (!out_head_.empty() || out_left_ > 0) {
      const std::string_view body = pattern(out_stream_, out_offset_)
                                        .substr(0, std::min<std::uint64_t>(out_left_, kSpanBytes));
      std::array<iovec, 2> parts{
          iovec{out_head_.data(), out_head_.size()},
          iovec{const_cast<char*>(body.data()), body.size()}};  // writev(2) only reads it
      const ssize_t n = ::writev(fd(), parts.data(), parts.size());
      if (n < 0) return errno == EAGAIN ? Next::kWrite : Next::kClose;
      const std::size_t of_head = std::min(out_head_.size(), static_cast<std::size_t>(n));
      const std::size_t of_body = static_cast<std::size_t>(n) - of_head;
      out_head_.erase(0, of_head);
      out_left_ -= of_body;
      out_offset_ += of_body;
    }
    return closing_ ? Next::kClose : Next::kRead;
  }

  static std::array<char, kSpanBytes> buffer_;  // one thread: what is read is used at once

  UniqueFd fd_;
  std::string head_;  // a request that came in pieces
  std::unique_ptr<PatternCheck> sink_;
  std::unique_ptr<H2Exchange> h2_;  // the client speaks HTTP/2
  std::uint64_t wrong_ = 0;
  std::string out_head_;
  std::uint64_t out_left_ = 0;
  std::uint64_t out_stream_ = 0;
  std::uint64_t out_offset_ = 0;
  bool closing_ = false;
};

std::array<char, kSpanBytes> Exchange::buffer_;

}  // namespace

void serve(std::uint16_t port) {
  prepare_process();
  Poller poller;
  const UniqueFd listener = listen_on(port);
  poller.add(listener.get(), EPOLLIN);
  std::vector<std::unique_ptr<Exchange>> exchanges;  // by descriptor
  while (true) {
    for (const epoll_event& event : poller.wait(kNoDeadline)) {
      if (event.data.fd == listener.get()) {
        for (UniqueFd fd = accept_one(listener.get()); fd.valid();
             fd = accept_one(listener.get())) {
          const auto index = static_cast<std::size_t>(fd.get());
          if (exchanges.size() <= index) exchanges.resize(index + 1);
          poller.add(fd.get(), EPOLLIN);
          exchanges[index] = std::make_unique<Exchange>(std::move(fd));
        }
        continue;
      }
      auto& exchange = exchanges[static_cast<std::size_t>(event.data.fd)];
      const Next next = exchange->advance();
      if (next == Next::kClose) {
        exchange.reset();
      } else if (exchange->waits_to_write != (next == Next::kWrite)) {
        exchange->waits_to_write = next == Next::kWrite;
        poller.modify(exchange->fd(), next == Next::kWrite ? EPOLLOUT : EPOLLIN);
      }
    }
  }
}

}  // namespace culvert::bench
