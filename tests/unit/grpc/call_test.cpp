// Our client against our server, over memory that cuts what is read.
#include "../h2/pair.hpp"
#include "culvert/grpc/channel.hpp"
#include "culvert/grpc/server.hpp"

using namespace culvert;
using namespace culvert::grpc;
using namespace culvert::h2::testing;

namespace {

class Echo final : public Method {
 public:
  Task<Status> serve(ServerCall& call) override {
    while (auto message = co_await call.read()) {
      if (*message == "fail") co_return Status{StatusCode::kPermissionDenied, "no: 100%\n"};
      if (!co_await call.write(*message)) break;
    }
    last = call.status();
    co_return last;
  }
  Status last{StatusCode::kUnknown, ""};
};

/// Holds the call until its fiber is stopped.
class Hang final : public Method {
 public:
  Task<Status> serve(ServerCall&) override {
    h2::testing::Event never;
    (void)co_await never.wait(soon());
    ++ended;
    co_return Status{};
  }
  int ended = 0;
};

struct Both {
  Echo echo;
  Hang hang;
  Server server;
  std::unique_ptr<h2::Connection> client;
  std::shared_ptr<Pipe> up = std::make_shared<Pipe>(), down = std::make_shared<Pipe>();
  Scope scope;

  explicit Both(std::size_t cut = SIZE_MAX) {
    up->max_read = down->max_read = cut;
    server.add("/t.T/Echo", echo, 1U << 20);
    server.add("/t.T/Hang", hang);
    client =
        h2::Connection::client(std::make_unique<MemoryStream>(down, up), h2::Options::client());
    scope.spawn([](h2::Connection* c) -> Task<> { (void)co_await c->run(); }, client.get());
    scope.spawn(
        [](Both* self) -> Task<> {
          auto bytes = std::make_unique<MemoryStream>(self->up, self->down);
          (void)co_await self->server.serve(std::move(bytes), "node-1");
        },
        this);
  }
  Task<> stop() {
    scope.request_stop();
    co_await scope.join();
  }
};

CallOptions brief() {
  CallOptions options;
  options.deadline = soon();
  return options;
}

}  // namespace

TEST_CASE("a unary call and a stream of messages work however the bytes are cut") {
  for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{7}, SIZE_MAX}) {
    run_loop(
        [](std::size_t size) -> Task<> {
          Both both(size);
          const auto answer = co_await unary(*both.client, "/t.T/Echo", "hello", brief());
          REQUIRE(answer.has_value());
          CHECK(*answer == "hello");
          auto call = ClientCall::start(*both.client, "/t.T/Echo", brief());
          REQUIRE(call.has_value());
          for (const std::string message : {"one", "", "three"}) {
            CHECK(co_await call->write(message));
            CHECK(co_await call->read() == message);
          }
          call->finish_writing();
          CHECK(!co_await call->read());
          CHECK(call->status().ok());
          co_await both.stop();
        },
        cut);
  }
}

TEST_CASE("statuses and their messages reach the client") {
  run_loop([]() -> Task<> {
    Both both;
    auto denied = co_await unary(*both.client, "/t.T/Echo", "fail", brief());
    CHECK(denied.error() == Status{StatusCode::kPermissionDenied, "no: 100%\n"});
    auto missing = co_await unary(*both.client, "/t.T/None", "x", brief());
    CHECK(missing.error().code == StatusCode::kUnimplemented);
    auto large =
        co_await unary(*both.client, "/t.T/Echo", std::string((1U << 20) + 1, 'x'), brief());
    CHECK(large.error().code == StatusCode::kResourceExhausted);
    auto fits = co_await unary(*both.client, "/t.T/Echo", std::string(1U << 20, 'x'), brief());
    REQUIRE(fits.has_value());
    CHECK(fits->size() == 1U << 20);
    co_await both.stop();
  });
}

TEST_CASE("a passed deadline ends both ends; a dropped call reaches the server as a cancellation") {
  run_loop([]() -> Task<> {
    Both both;
    CallOptions options;
    options.deadline = in(milliseconds(30));
    auto late = co_await unary(*both.client, "/t.T/Hang", "x", options);
    CHECK(late.error().code == StatusCode::kDeadlineExceeded);
    {
      auto call = ClientCall::start(*both.client, "/t.T/Echo", brief());
      CHECK(co_await call->write("x"));
      CHECK(co_await call->read() == "x");
    }
    co_await settle();
    CHECK(both.echo.last.code == StatusCode::kCancelled);
    co_await both.stop();
    CHECK(both.hang.ended == 1);
  });
}

TEST_CASE("a call on a connection that is cut is UNAVAILABLE, and the server's fibers end") {
  run_loop([]() -> Task<> {
    Both both;
    auto call = ClientCall::start(*both.client, "/t.T/Hang", brief());
    CHECK(co_await call->write("x"));
    co_await settle();
    both.up->broken = both.down->broken = true;
    both.up->changed.notify();
    both.down->changed.notify();
    CHECK(!co_await call->read());
    CHECK(call->status().code == StatusCode::kUnavailable);
    co_await settle();
    CHECK(both.hang.ended == 1);
    co_await both.stop();
  });
}

TEST_CASE("what is no gRPC is answered in HTTP") {
  run_loop([]() -> Task<> {
    Both both;
    auto stream = both.client->open(
        {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}, true);
    const auto answer = co_await stream->response(soon());
    REQUIRE(answer.has_value());
    CHECK(*h2::find(**answer, ":status") == "405");
    co_await both.stop();
  });
}

TEST_CASE("a channel without its server is UNAVAILABLE and closes cleanly") {
  run_loop([]() -> Task<> {
    UnixConnector connector("/nonexistent/socket");
    Channel channel(connector);
    const auto answer = co_await channel.unary("/t.T/Echo", "x", brief());
    CHECK(answer.error().code == StatusCode::kUnavailable);
    co_await channel.close();
  });
}
