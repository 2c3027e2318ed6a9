// Two connections that talk to each other, over a socket pair or over memory that splits what is
// read.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <deque>
#include <string>

#include "../io/run_loop.hpp"
#include "culvert/h2/connection.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/scope.hpp"

namespace culvert::h2::testing {

using io::Deadline;
using io::Event;
using io::in;
using io::Scope;
using io::Task;
using io::testing::run_loop;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline Deadline soon() {
  return in(seconds(10));
}
inline std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// One direction of a memory connection.
struct Pipe {
  std::string data;
  std::string all;  // everything that ever passed
  bool ended = false;
  bool broken = false;
  bool aborted = false;  // its writer said that it has not ended in order
  bool stuck = false;    // reads see nothing although there is data
  bool full = false;     // writes wait
  std::size_t max_read = SIZE_MAX;
  std::deque<std::size_t> reads;  // sizes of the first reads, before max_read holds
  Event changed;
};

class MemoryStream final : public io::ByteStream {
 public:
  MemoryStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : in_(std::move(in)), out_(std::move(out)) {}
  ~MemoryStream() override {
    out_->ended = true;
    out_->changed.notify();
  }
  void abort() override { out_->aborted = true; }
  Task<Result<std::span<const std::uint8_t>>> read(Deadline deadline) override {
    while ((in_->data.empty() && !in_->ended && !in_->broken) || in_->stuck) {
      if (const auto w = co_await in_->changed.wait(deadline); !w)
        co_return std::unexpected(w.error());
    }
    if (in_->broken) co_return fail(ErrorCode::kReset, "memory stream");
    std::size_t size = std::min(in_->max_read, in_->data.size());
    if (!in_->reads.empty()) {
      size = std::min(in_->reads.front(), in_->data.size());
      in_->reads.pop_front();
    }
    last_ = in_->data.substr(0, size);
    in_->data.erase(0, size);
    co_return bytes_of(last_);
  }
  Task<Result<void>> write(std::span<const std::uint8_t> bytes, Deadline deadline) override {
    while (out_->full) {
      if (const auto w = co_await out_->changed.wait(deadline); !w)
        co_return std::unexpected(w.error());
    }
    if (out_->broken) co_return fail(ErrorCode::kReset, "memory stream");
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    out_->data += text;
    out_->all += text;
    ++writes;
    out_->changed.notify();
    co_return Result<void>();
  }
  Task<> finish(Deadline) override {
    out_->ended = true;
    out_->changed.notify();
    co_return;
  }
  int writes = 0;

 private:
  std::shared_ptr<Pipe> in_, out_;
  std::string last_;
};

/// Client and server, both running in `scope`; new streams go to `accepted`.
struct Pair {
  std::unique_ptr<Connection> client, server;
  std::shared_ptr<Pipe> to_server = std::make_shared<Pipe>(), to_client = std::make_shared<Pipe>();
  std::deque<Stream> accepted;
  Event arrived;
  Result<void> client_end, server_end;
  bool client_over = false, server_over = false;
  Scope scope, client_scope;

  void over_memory(Options c = Options::client(), Options s = Options::server()) {
    start(std::make_unique<MemoryStream>(to_client, to_server),
          std::make_unique<MemoryStream>(to_server, to_client), c, s);
  }
  void over_sockets(Options c = Options::client(), Options s = Options::server()) {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    start(std::make_unique<io::FdStream>(UniqueFd(fds[0])),
          std::make_unique<io::FdStream>(UniqueFd(fds[1])), c, s);
  }
  void start(std::unique_ptr<io::ByteStream> c, std::unique_ptr<io::ByteStream> s,
             Options client_options, Options server_options) {
    client = Connection::client(std::move(c), client_options);
    server = Connection::server(std::move(s), server_options, [this](Stream stream) {
      accepted.push_back(std::move(stream));
      arrived.notify();
    });
    client_scope.spawn(
        [](Pair* p) -> Task<> {
          p->client_end = co_await p->client->run();
          p->client_over = true;
        },
        this);
    scope.spawn(
        [](Pair* p) -> Task<> {
          p->server_end = co_await p->server->run();
          p->server_over = true;
        },
        this);
  }
  Task<Stream> accept() {
    while (accepted.empty()) {
      if (!co_await arrived.wait(soon())) co_return Stream();
    }
    Stream stream = std::move(accepted.front());
    accepted.pop_front();
    co_return stream;
  }
  Task<> stop() {
    client_scope.request_stop();
    co_await client_scope.join();
    scope.request_stop();
    co_await scope.join();
    accepted.clear();
  }
};

inline Headers connect_request() {
  return {
      {":method", "CONNECT"}, {":authority", "10.0.0.1:80"}, {"baggage", "k8s.namespace.name=a"}};
}
inline Headers ok() {
  return {{":status", "200"}};
}

/// Everything up to the end; the error's name instead when it does not end in order.
inline Task<std::string> read_all(Stream* stream) {
  std::string all;
  while (true) {
    const auto part = co_await stream->read(soon());
    if (!part) co_return all + "!" + error_info(part.error().code).name;
    if (part->empty()) co_return all;
    all.append(reinterpret_cast<const char*>(part->data()), part->size());
  }
}

inline Task<> settle() {
  co_await io::sleep_until(in(milliseconds(20)));
}

}  // namespace culvert::h2::testing
