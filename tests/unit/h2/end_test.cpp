#include "pair.hpp"

using namespace culvert;
using namespace culvert::h2;
using namespace culvert::h2::testing;

TEST_CASE("a reset is told from an end, carries its code, and what came before it is delivered") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    auto mine = pair.client->open(connect_request(), false);
    Stream theirs = co_await pair.accept();
    CHECK(theirs.send_headers(ok(), false).has_value());
    CHECK((co_await theirs.write(bytes_of("before"), soon())).has_value());
    CHECK((co_await theirs.flushed(soon())).has_value());
    theirs.reset(kConnectError);
    CHECK((co_await read_all(&*mine)) == "before!reset");
    CHECK(mine->reset_code() == kConnectError);
    CHECK((co_await mine->write(bytes_of("x"), soon())).error().code == ErrorCode::kReset);
    CHECK((co_await theirs.read(soon())).error().code == ErrorCode::kCancelled);
    co_await pair.stop();
  });
}

TEST_CASE("dropping a handle resets what is unfinished, and lets what is finished leave") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    auto mine = pair.client->open(connect_request(), false);
    Stream theirs = co_await pair.accept();
    mine = Stream();
    CHECK((co_await read_all(&theirs)) == "!reset");
    CHECK(theirs.reset_code() == kCancel);
    // A server that answered in full drops its handle while the client still sends.
    auto second = pair.client->open(connect_request(), false);
    theirs = co_await pair.accept();
    CHECK(theirs.send_headers(ok(), false).has_value());
    CHECK((co_await theirs.write(bytes_of(std::string(200'000, 'a')), soon())).has_value());
    CHECK(theirs.finish().has_value());
    theirs = Stream();
    CHECK((co_await read_all(&*second)) == std::string(200'000, 'a'));
    co_await settle();
    CHECK(second->reset_code() == kNoError);
    CHECK(pair.client->active_streams() == 0);
    CHECK(pair.server->active_streams() == 0);
    co_await pair.stop();
  });
}

TEST_CASE("at the peer's stream limit opening fails by name, and works again when one ends") {
  run_loop([]() -> Task<> {
    Pair pair;
    Options server = Options::server();
    server.max_streams = 2;
    pair.over_sockets(Options::client(), server);
    CHECK((co_await pair.client->handshake(soon())).has_value());
    auto a = pair.client->open(connect_request(), false);
    auto b = pair.client->open(connect_request(), false);
    CHECK(!pair.client->can_open());
    CHECK(pair.client->open(connect_request(), false).error().code == ErrorCode::kLimit);
    a = Stream();
    co_await settle();
    CHECK(pair.client->can_open());
    co_await pair.stop();
  });
}

TEST_CASE("streams beyond a limit that was not known yet are refused, which is safe to retry") {
  run_loop([]() -> Task<> {
    Pair pair;
    Options server = Options::server();
    server.max_streams = 1;
    pair.over_sockets(Options::client(), server);
    auto a = pair.client->open(connect_request(), false);
    auto b = pair.client->open(connect_request(), false);
    const auto refused = co_await b->response(soon());
    REQUIRE(!refused.has_value());
    CHECK(refused.error().code == ErrorCode::kRefused);
    CHECK(refused.error().origin == Origin::kUpstream);
    CHECK(!a->closed());
    co_await pair.stop();
  });
}

TEST_CASE("a draining server lets open streams finish and takes no more; both ends end in order") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    auto mine = pair.client->open(connect_request(), false);
    Stream theirs = co_await pair.accept();
    CHECK(theirs.send_headers(ok(), false).has_value());
    pair.server->drain();
    co_await settle();
    CHECK(!pair.client->can_open());
    CHECK(pair.client->open(connect_request(), false).error().code == ErrorCode::kClosed);
    CHECK((co_await mine->write(bytes_of("still"), soon())).has_value());
    CHECK(mine->finish().has_value());
    CHECK((co_await read_all(&theirs)) == "still");
    CHECK(!pair.server_over);
    CHECK((co_await theirs.write(bytes_of("here"), soon())).has_value());
    CHECK(theirs.finish().has_value());
    CHECK((co_await read_all(&*mine)) == "here");
    co_await settle();
    CHECK(pair.server_over);
    CHECK(pair.client_over);
    CHECK(pair.server_end.has_value());
    CHECK(pair.client_end.has_value());
    co_await pair.stop();
  });
}

TEST_CASE("a draining client ends when its last stream has ended") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    auto mine = pair.client->open(connect_request(), true);
    Stream theirs = co_await pair.accept();
    pair.client->drain();
    CHECK(!pair.client->can_open());
    co_await settle();
    CHECK(!pair.client_over);
    CHECK(pair.server->draining());  // it was told, by GOAWAY
    CHECK(theirs.send_headers(ok(), true).has_value());
    CHECK((co_await mine->response(soon())).has_value());
    co_await settle();
    CHECK(pair.client_over);
    CHECK(pair.client_end.has_value());
    CHECK(pair.server_end.has_value());
    co_await pair.stop();
  });
}

TEST_CASE("an idle client ends at once when told to drain") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    CHECK((co_await pair.client->handshake(soon())).has_value());
    pair.client->drain();
    co_await settle();
    CHECK(pair.client_over);
    CHECK(pair.server_over);
    CHECK(pair.server_end.has_value());
    co_await pair.stop();
  });
}

TEST_CASE("a connection cut in the middle ends every stream with an error") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_memory();
    auto mine = pair.client->open(connect_request(), false);
    Stream theirs = co_await pair.accept();
    CHECK((co_await mine->write(bytes_of("half"), soon())).has_value());
    co_await settle();
    pair.to_server->broken = pair.to_client->broken = true;
    pair.to_server->changed.notify();
    pair.to_client->changed.notify();
    CHECK((co_await read_all(&*mine)) == "!reset");
    CHECK((co_await read_all(&theirs)) == "half!reset");
    co_await settle();
    CHECK(pair.client_end.error().code == ErrorCode::kReset);
    CHECK(pair.client->closed());
    co_await pair.stop();
    CHECK((co_await mine->write(bytes_of("x"), soon())).error().code == ErrorCode::kReset);
  });
}

TEST_CASE("stopping the fiber of run() ends streams and waiters, and handles may outlive it all") {
  run_loop([]() -> Task<> {
    auto pair = std::make_unique<Pair>();
    pair->over_sockets();
    auto mine = pair->client->open(connect_request(), false);
    Stream theirs = co_await pair->accept();
    std::string seen;
    Scope scope;
    scope.spawn([](Stream* s, std::string* out) -> Task<> { *out = co_await read_all(s); }, &*mine,
                &seen);
    co_await settle();
    pair->client_scope.request_stop();
    co_await scope.join();
    CHECK(seen == "!cancelled");
    co_await settle();
    pair->client.reset();  // closes the socket
    CHECK((co_await read_all(&theirs)) == "!reset");
    co_await pair->stop();
    CHECK(pair->client_end.error().code == ErrorCode::kCancelled);
    pair.reset();
    CHECK(mine->closed());
    CHECK(mine->send_trailers({}).error().code == ErrorCode::kCancelled);
    CHECK((co_await theirs.read(soon())).error().code == ErrorCode::kReset);
    theirs.consumed();
  });
}

TEST_CASE("aborting names the reason at once") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    auto mine = pair.client->open(connect_request(), false);
    pair.client->abort(ErrorCode::kDenied);
    CHECK((co_await read_all(&*mine)) == "!denied by policy");
    co_await settle();
    CHECK(pair.client_end.error().code == ErrorCode::kDenied);
    co_await pair.stop();
  });
}

TEST_CASE("a peer that answers no PING is given up, one that does lives on") {
  run_loop([]() -> Task<> {
    Pair pair;
    Options client = Options::client();
    client.ping_interval = milliseconds(20);
    client.ping_timeout = milliseconds(60);
    pair.over_memory(client);
    auto mine = pair.client->open(connect_request(), false);
    co_await io::sleep_until(in(milliseconds(250)));
    CHECK(!pair.client_over);
    pair.to_server->stuck = true;
    // To the stream it is no deadline: a reader that waits on would never give its thread back.
    CHECK((co_await read_all(&*mine)) == "!reset");
    co_await settle();
    REQUIRE(!pair.client_end.has_value());
    CHECK(pair.client_end.error().code == ErrorCode::kTimeout);
    CHECK(pair.client_end.error().origin == Origin::kUpstream);
    co_await pair.stop();
  });
}

TEST_CASE("a connection told not to sends no PING while it is idle") {
  run_loop([]() -> Task<> {
    Pair pair;
    Options client = Options::client();
    client.ping_interval = milliseconds(10);
    client.ping_timeout = milliseconds(30);
    client.ping_when_idle = false;
    pair.over_memory(client);
    CHECK((co_await pair.client->handshake(soon())).has_value());
    const std::size_t sent = pair.to_server->all.size();
    pair.to_server->stuck = true;  // a PING would go unanswered
    co_await io::sleep_until(in(milliseconds(150)));
    CHECK(!pair.client_over);
    CHECK(pair.to_server->all.size() <= sent + 9);  // the acknowledgment of SETTINGS at most
    auto mine = pair.client->open(connect_request(), false);
    CHECK((co_await read_all(&*mine)) == "!reset");
    co_await pair.stop();
  });
}
