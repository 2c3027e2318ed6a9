// A gRPC server at the far end of a connector's socket pairs, which the test can cut and hold back.
#pragma once

#include "../h2/pair.hpp"
#include "culvert/grpc/channel.hpp"
#include "culvert/grpc/server.hpp"

namespace culvert::xds::testing {

using h2::testing::milliseconds;
using h2::testing::seconds;
using h2::testing::settle;
using h2::testing::soon;
using io::Task;
using io::testing::run_loop;

class Served final : public grpc::Connector {
 public:
  grpc::Server server;
  int connects = 0;
  bool away = false;  // nobody listens
  std::string peer = "node-1";

  Task<Result<std::unique_ptr<io::ByteStream>>> connect(io::Deadline) override {
    ++connects;
    if (away) co_return fail(ErrorCode::kRefused, "connect to the test's server");
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    last_fd = fds[1];
    scope_.spawn(
        [](Served* self, std::unique_ptr<io::ByteStream> bytes, std::string name) -> Task<> {
          (void)co_await self->server.serve(std::move(bytes), name);
        },
        this, std::make_unique<io::FdStream>(UniqueFd(fds[1])), peer);
    co_return std::make_unique<io::FdStream>(UniqueFd(fds[0]));
  }
  /// As if the server died.
  void cut() const { ::shutdown(last_fd, SHUT_RDWR); }
  Task<> stop() {
    scope_.request_stop();
    co_await scope_.join();
  }
  int last_fd = -1;

 private:
  io::Scope scope_;
};

/// Waits for what a condition says; false when it does not come about.
template <class Condition>
Task<bool> eventually(Condition condition) {
  for (const auto until = soon(); io::Clock::now() < until;) {
    if (condition()) co_return true;
    co_await io::sleep_until(io::in(milliseconds(2)));
  }
  co_return false;
}

}  // namespace culvert::xds::testing
