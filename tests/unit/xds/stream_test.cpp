// Client and server over real sockets: changes arrive, cuts are survived, hostile ends are told so.
#include <doctest/doctest.h>

#include "culvert/xds/client.hpp"
#include "culvert/xds/limits.hpp"
#include "culvert/xds/server.hpp"
#include "fixtures.hpp"
#include "served.hpp"

using namespace culvert;
using namespace culvert::xds;
using namespace culvert::xds::testing;

namespace {

ClientOptions options() {
  ClientOptions out;
  out.node = {"ztunnel~1", "", {{"NODE_NAME", "node-1"}}};
  out.type_urls = {kAddress, kPolicy};
  out.backoff = {milliseconds(1), milliseconds(20)};
  return out;
}

struct World {
  Server xds;
  Served served;
  MemorySink sink;
  Client client{served, options(), sink};
  io::Scope scope;

  World() {
    xds.add_to(served.server);
    scope.spawn([](Client* c) -> Task<> { co_await c->run(); }, &client);
  }
  Task<> stop() {
    scope.request_stop();
    co_await scope.join();
    co_await served.stop();
  }
};

/// Answers every request with the same bytes.
class Parrot final : public grpc::Method {
 public:
  explicit Parrot(std::string bytes) : bytes_(std::move(bytes)) {}
  Task<grpc::Status> serve(grpc::ServerCall& call) override {
    while (co_await call.read()) {
      if (!co_await call.write(bytes_)) break;
    }
    co_return call.status();
  }

 private:
  std::string bytes_;
};

// How a client's stream ends that says only this.
Task<grpc::Status> end_after(Served* served, std::vector<std::string> messages) {
  auto bytes = co_await served->connect(soon());
  auto connection = h2::Connection::client(std::move(*bytes), h2::Options::client());
  io::Scope scope;
  scope.spawn([](h2::Connection* c) -> Task<> { (void)co_await c->run(); }, connection.get());
  grpc::CallOptions call_options;
  call_options.deadline = soon();
  auto call = grpc::ClientCall::start(*connection, kDeltaMethod, call_options);
  for (const auto& message : messages) (void)co_await call->write(message);
  while (co_await call->read()) {
  }
  const auto status = call->status();
  scope.request_stop();
  co_await scope.join();
  co_return status;
}

}  // namespace

TEST_CASE("a change arrives, is acknowledged, and the server knows") {
  run_loop([]() -> Task<> {
    World w;
    w.xds.set_resources(set_of(1, {{"a", "1"}}, {{"p", "1"}}));
    CHECK(co_await w.client.wait_ready(soon()));
    CHECK(w.sink[kAddress] == Contents{{"a", "1"}});
    CHECK(co_await w.xds.wait_acked(1, soon()));
    w.xds.set_resources(set_of(2, {{"b", "1"}}, {{"p", "2"}}));
    CHECK(co_await w.xds.wait_acked(2, soon()));
    CHECK(w.sink[kAddress] == Contents{{"b", "1"}});
    CHECK(w.sink[kPolicy] == Contents{{"p", "2"}});
    const NodeStatus& node = w.xds.nodes().at("node-1");
    CHECK(node.connected);
    CHECK(node.node_id == "ztunnel~1");
    CHECK(node.acked_generation == 2);
    const auto status = w.client.status();
    CHECK(status.connected);
    CHECK(status.ready);
    CHECK(status.resources == 2);
    CHECK(status.streams == 1);
    CHECK(status.last_error.empty());
    co_await w.stop();
    CHECK(!w.xds.nodes().at("node-1").connected);
    w.xds.forget("node-1");
    CHECK(w.xds.nodes().empty());
  });
}

TEST_CASE("a configuration is in force on a node when each of its streams has it") {
  run_loop([]() -> Task<> {
    World w;
    w.xds.set_resources(set_of(1, {{"a", "1"}}));
    CHECK(co_await w.client.wait_ready(soon()));
    CHECK(co_await w.xds.wait_acked(1, soon()));
    // A second one, as while a ztunnel is upgraded, which asks and acknowledges nothing.
    {
      auto bytes = co_await w.served.connect(soon());
      auto connection = h2::Connection::client(std::move(*bytes), h2::Options::client());
      io::Scope second;
      second.spawn([](h2::Connection* c) -> Task<> { (void)co_await c->run(); }, connection.get());
      auto call = grpc::ClientCall::start(*connection, kDeltaMethod, {});
      CHECK((co_await call->write(serialize(request(kAddress)))));
      CHECK(co_await eventually([&] { return w.xds.nodes().at("node-1").acked_generation == 0; }));
      w.xds.set_resources(set_of(2, {{"a", "2"}}));
      CHECK(co_await eventually([&] { return w.sink[kAddress] == Contents{{"a", "2"}}; }));
      CHECK_FALSE(co_await w.xds.wait_acked(2, io::in(milliseconds(100))));
      second.request_stop();
      co_await second.join();
    }
    CHECK(co_await w.xds.wait_acked(2, soon()));
    co_await w.stop();
  });
}

TEST_CASE("a bad resource is known at both ends by name, and the generation is not acknowledged") {
  run_loop([]() -> Task<> {
    World w;
    w.xds.set_resources(set_of(1, {{"a", "1"}, {"b", "bad"}}));
    CHECK(co_await eventually([&] { return w.client.status().nacks == 1; }));
    CHECK(co_await eventually([&] { return w.xds.nodes().at("node-1").nacks == 1; }));
    CHECK(w.xds.nodes().at("node-1").last_nack == kAddress + ": b: it is bad");
    CHECK(w.client.status().last_nack == kAddress + ": b: it is bad");
    CHECK(w.sink[kAddress] == Contents{{"a", "1"}});
    CHECK(!co_await w.xds.wait_acked(1, io::in(milliseconds(30))));
    w.xds.set_resources(set_of(2, {{"a", "1"}, {"b", "good"}}));
    CHECK(co_await w.xds.wait_acked(2, soon()));
    co_await w.stop();
  });
}

TEST_CASE("after a cut the client comes back, takes what changed, and nothing twice") {
  run_loop([]() -> Task<> {
    World w;
    w.xds.set_resources(set_of(1, {{"a", "1"}, {"b", "1"}, {"c", "1"}}));
    CHECK(co_await w.client.wait_ready(soon()));
    w.served.away = true;
    w.served.cut();
    CHECK(co_await eventually([&] { return w.served.connects >= 3; }));
    CHECK(!w.client.status().connected);
    CHECK(w.client.ready());  // with what it has
    CHECK(w.client.status().last_error.find("connect to the test's server") != std::string::npos);
    w.xds.set_resources(set_of(2, {{"a", "1"}, {"b", "2"}}));
    w.served.away = false;
    CHECK(co_await eventually([&] { return w.xds.nodes().at("node-1").acked_generation == 2; }));
    CHECK(w.sink[kAddress] == Contents{{"a", "1"}, {"b", "2"}});
    CHECK(w.sink.added == 4);  // three at first, then one
    CHECK(w.sink.removed == 1);
    co_await w.stop();
  });
}

TEST_CASE("a large mesh arrives in pieces below gRPC's usual message bound") {
  run_loop([]() -> Task<> {
    World w;
    Contents many;
    for (int i = 0; i < 25'000; ++i) many.emplace("w" + std::to_string(i), std::string(300, 'x'));
    w.xds.set_resources(set_of(1, many));
    CHECK(co_await w.xds.wait_acked(0, soon()));
    CHECK(co_await eventually([&] {
      const auto node = w.xds.nodes().find("node-1");
      return node != w.xds.nodes().end() && node->second.acked_generation == 1;
    }));
    CHECK(w.sink[kAddress].size() == many.size());
    CHECK(w.sink.calls >= 3);
    co_await w.stop();
  });
}

TEST_CASE("a hostile server is left with its reason, and tried again") {
  struct Case {
    std::string bytes;
    const char* reason;
  };
  const Case cases[] = {
      {"\xff\xff", "malformed DeltaDiscoveryResponse"},
      {serialize(DeltaResponse{kAddress, "", "", {}, {}}), "response without a nonce"},
      {serialize(DeltaResponse{"other", "n", "", {}, {}}),
       "response of a type that was not asked for"},
  };
  for (const auto& one : cases) {
    run_loop(
        [](const Case* c) -> Task<> {
          Parrot parrot(c->bytes);
          Served served;
          served.server.add(kDeltaMethod, parrot);
          MemorySink sink;
          Client client(served, options(), sink);
          io::Scope scope;
          scope.spawn([](Client* client_) -> Task<> { co_await client_->run(); }, &client);
          CHECK(co_await eventually([&] { return client.status().streams >= 3; }));
          CHECK(client.status().last_error.find(c->reason) != std::string::npos);
          CHECK(!client.ready());
          CHECK(sink.calls == 0);
          scope.request_stop();
          co_await scope.join();
          co_await served.stop();
        },
        &one);
  }
}

TEST_CASE("a server without the method is an error that says so") {
  run_loop([]() -> Task<> {
    Served served;
    MemorySink sink;
    Client client(served, options(), sink);
    io::Scope scope;
    scope.spawn([](Client* c) -> Task<> { co_await c->run(); }, &client);
    CHECK(co_await eventually([&] { return !client.status().last_error.empty(); }));
    CHECK(client.status().last_error.find("UNIMPLEMENTED") != std::string::npos);
    CHECK(!co_await client.wait_ready(io::in(milliseconds(10))));
    scope.request_stop();
    co_await scope.join();
    co_await served.stop();
  });
}

TEST_CASE("hostile clients get a status with the reason") {
  run_loop([]() -> Task<> {
    World w;
    const auto garbage = co_await end_after(&w.served, {"\xff\xff"});
    CHECK(garbage.code == grpc::StatusCode::kInvalidArgument);
    CHECK(garbage.message == "malformed DeltaDiscoveryRequest");
    const auto untyped = co_await end_after(&w.served, {serialize(request(""))});
    CHECK(untyped.message == "request without a type url");
    std::vector<std::string> types;
    for (std::size_t i = 0; i <= kMaxTypes; ++i)
      types.push_back(serialize(request(std::to_string(i))));
    const auto many = co_await end_after(&w.served, types);
    CHECK(many.code == grpc::StatusCode::kResourceExhausted);
    w.xds.set_resources(set_of(1, {{"a", "1"}}));
    CHECK(co_await w.client.wait_ready(soon()));  // others are not disturbed
    co_await w.stop();
  });
}

TEST_CASE("one node cannot hold more than its number of streams") {
  run_loop([]() -> Task<> {
    World w;
    CHECK(co_await eventually([&] { return w.client.status().connected; }));
    std::vector<std::unique_ptr<Client>> more;
    io::Scope scope;
    for (std::size_t i = 0; i < kMaxStreamsPerNode; ++i) {
      more.push_back(std::make_unique<Client>(w.served, options(), w.sink));
      scope.spawn([](Client* c) -> Task<> { co_await c->run(); }, more.back().get());
    }
    CHECK(co_await eventually([&] {
      return std::ranges::any_of(more, [](const auto& c) {
        return c->status().last_error.find("RESOURCE_EXHAUSTED") != std::string::npos;
      });
    }));
    scope.request_stop();
    co_await scope.join();
    co_await w.stop();
  });
}

TEST_CASE("the wait before the next try doubles, within its bounds and with jitter") {
  Backoff backoff({milliseconds(10), milliseconds(100)});
  CHECK(backoff.next(0.999) == milliseconds(9));
  CHECK(backoff.next(0) == milliseconds(10));
  CHECK(backoff.next(0) == milliseconds(20));
  CHECK(backoff.next(0) == milliseconds(40));
  CHECK(backoff.next(0) == milliseconds(50));
  CHECK(backoff.next(0.999) == milliseconds(99));
  backoff.reset();
  CHECK(backoff.next(0) == milliseconds(5));
}
