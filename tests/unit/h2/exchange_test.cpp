#include "pair.hpp"

using namespace culvert;
using namespace culvert::h2;
using namespace culvert::h2::testing;

namespace {

// A whole exchange: request, body, answer, body, half close in the order client, server.
Task<> exchange(Pair* pair) {
  auto mine = pair->client->open(connect_request(), false);
  REQUIRE(mine.has_value());
  CHECK((co_await mine->write(bytes_of("hello "), soon())).has_value());
  Stream theirs = co_await pair->accept();
  REQUIRE(bool(theirs));
  CHECK(theirs.request() == connect_request());
  CHECK(theirs.send_headers({{":status", "200"}, {"baggage", "b"}}, false).has_value());
  const auto answer = co_await mine->response(soon());
  REQUIRE(answer.has_value());
  CHECK(*find(**answer, "baggage") == "b");
  CHECK((co_await mine->write(bytes_of("there"), soon())).has_value());
  CHECK(mine->finish().has_value());
  CHECK((co_await read_all(&theirs)) == "hello there");
  CHECK(!theirs.closed());
  CHECK((co_await theirs.write(bytes_of("goodbye"), soon())).has_value());
  CHECK(theirs.send_trailers({{"grpc-status", "0"}}).has_value());
  CHECK((co_await read_all(&*mine)) == "goodbye");
  REQUIRE(mine->trailers().size() == 1);
  CHECK(mine->trailers()[0].value == "0");
  co_await settle();
  CHECK(mine->closed());
  CHECK(theirs.closed());
  CHECK(!mine->reset_code());
  CHECK(pair->client->active_streams() == 0);
  CHECK(pair->server->buffered_bytes() == 0);
}

}  // namespace

TEST_CASE("a request and its answer cross a socket pair with bodies and trailers") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    co_await exchange(&pair);
    co_await pair.stop();
  });
}

TEST_CASE("an exchange does not depend on how its bytes are cut") {
  for (const std::size_t size : {1, 2, 3, 5, 8, 9, 10, 17, 64}) {
    run_loop(
        [](std::size_t cut) -> Task<> {
          Pair pair;
          pair.to_server->max_read = pair.to_client->max_read = cut;
          pair.over_memory();
          co_await exchange(&pair);
          co_await pair.stop();
        },
        size);
  }
}

TEST_CASE("a request split in two at every byte offset arrives whole") {
  std::string wire;
  run_loop(
      [](std::string* out) -> Task<> {
        Pair pair;
        pair.over_memory();
        auto mine = pair.client->open(connect_request(), false);
        (void)co_await mine->write(bytes_of("hello"), soon());
        (void)mine->finish();
        Stream theirs = co_await pair.accept();
        CHECK((co_await read_all(&theirs)) == "hello");
        *out = pair.to_server->all;
        co_await pair.stop();
      },
      &wire);
  REQUIRE(wire.size() > 100);
  run_loop(
      [](const std::string* bytes) -> Task<> {
        for (std::size_t cut = 1; cut < bytes->size(); ++cut) {
          Pair pair;
          pair.to_client->stuck = true;  // the client only sees that the server answers nothing
          pair.to_server->reads = {cut};
          auto in = pair.to_server;
          in->data = *bytes;
          auto server_stream = std::make_unique<MemoryStream>(in, pair.to_client);
          auto silent = std::make_shared<Pipe>();
          pair.start(std::make_unique<MemoryStream>(pair.to_client, silent),
                     std::move(server_stream), Options::client(), Options::server());
          Stream theirs = co_await pair.accept();
          REQUIRE(bool(theirs));
          CHECK(theirs.request() == connect_request());
          CHECK((co_await read_all(&theirs)) == "hello");
          co_await pair.stop();
        }
      },
      &wire);
}

TEST_CASE("half close works in every order and each direction lives on without the other") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    // The server ends first; the client still sends.
    auto mine = pair.client->open(connect_request(), false);
    Stream theirs = co_await pair.accept();
    CHECK(theirs.send_headers(ok(), false).has_value());
    CHECK(theirs.finish().has_value());
    CHECK((co_await read_all(&*mine)).empty());
    CHECK(mine->remote_ended());
    CHECK((co_await mine->write(bytes_of("late"), soon())).has_value());
    CHECK(mine->finish().has_value());
    CHECK((co_await read_all(&theirs)) == "late");
    // Both at once.
    auto second = pair.client->open(connect_request(), false);
    Stream second_theirs = co_await pair.accept();
    CHECK(second_theirs.send_headers(ok(), false).has_value());
    CHECK(second_theirs.finish().has_value());
    CHECK(second->finish().has_value());
    CHECK((co_await read_all(&*second)).empty());
    CHECK((co_await read_all(&second_theirs)).empty());
    // Data before the answer, and an end with the request itself.
    auto third = pair.client->open(connect_request(), true);
    Stream third_theirs = co_await pair.accept();
    CHECK((co_await read_all(&third_theirs)).empty());
    CHECK(third_theirs.send_headers({{":status", "503"}}, true).has_value());
    CHECK((co_await read_all(&*third)).empty());
    co_await settle();
    CHECK(pair.client->active_streams() == 0);
    CHECK(pair.server->active_streams() == 0);
    co_await pair.stop();
  });
}

TEST_CASE("what is used wrongly is refused by name and breaks nothing") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    CHECK(pair.client->open({{":method", "CONNECT"}, {"bad", "a\r\nb"}}, true).error().code ==
          ErrorCode::kInvalid);
    CHECK(pair.client->open({{":method", "CONNECT"}, {"Upper", "a"}}, true).error().code ==
          ErrorCode::kInvalid);
    auto mine = pair.client->open(connect_request(), false);
    Stream theirs = co_await pair.accept();
    CHECK((co_await theirs.write(bytes_of("x"), soon())).error().code == ErrorCode::kInvalid);
    CHECK(theirs.finish().error().code == ErrorCode::kInvalid);
    CHECK(theirs.send_headers(ok(), false).has_value());
    CHECK(theirs.send_headers(ok(), false).error().code == ErrorCode::kInvalid);
    CHECK(mine->finish().has_value());
    CHECK(mine->finish().has_value());
    CHECK((co_await mine->write(bytes_of("x"), soon())).error().code == ErrorCode::kInvalid);
    CHECK((co_await mine->read(in(milliseconds(5)))).error().code == ErrorCode::kTimeout);
    co_await pair.stop();
  });
}

TEST_CASE("what one turn of the loop produces leaves in one write") {
  run_loop([]() -> Task<> {
    Pair pair;
    auto bytes = std::make_unique<MemoryStream>(pair.to_client, pair.to_server);
    MemoryStream* counted = bytes.get();
    pair.start(std::move(bytes), std::make_unique<MemoryStream>(pair.to_server, pair.to_client),
               Options::client(), Options::server());
    co_await settle();
    const int before = counted->writes;
    std::vector<Stream> streams;
    for (int i = 0; i < 50; ++i) {
      auto stream = pair.client->open(connect_request(), false);
      REQUIRE(stream.has_value());
      CHECK((co_await stream->write(bytes_of("some bytes"), soon())).has_value());
      streams.push_back(std::move(*stream));
    }
    co_await settle();
    CHECK(counted->writes - before <= 2);
    CHECK(pair.accepted.size() == 50);
    streams.clear();
    co_await pair.stop();
  });
}
