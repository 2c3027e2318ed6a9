// HTTP on streams, both ends: heads, informational responses, bodies, trailers, upgrades.
#include "culvert/h2/http.hpp"

#include "pair.hpp"

using namespace culvert;
using namespace culvert::h2;
using namespace culvert::h2::testing;

namespace {

http::RequestHead request(std::string method, http::Body body = {}) {
  http::RequestHead head;
  head.method = std::move(method);
  head.scheme = "http";
  head.authority = "web.shop:80";
  head.path = "/x?y";
  head.body = body;
  return head;
}

http::ResponseHead response(std::uint16_t status, http::Body body = {}) {
  http::ResponseHead head;
  head.status = status;
  head.body = body;
  return head;
}

constexpr http::Body kStreamed{.present = true};

}  // namespace

TEST_CASE(
    "a request and its answers cross with informational ones, bodies and trailers both ways") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_memory();
    auto head = request("POST", kStreamed);
    REQUIRE(head.fields.add("te", "trailers"));
    auto mine = open(*pair.client, head);
    REQUIRE(mine.has_value());
    Stream theirs = co_await pair.accept();
    const auto asked = request_head(theirs);
    REQUIRE(asked.has_value());
    CHECK(asked->method == "POST");
    CHECK(asked->authority == "web.shop:80");
    CHECK(asked->path == "/x?y");
    CHECK(asked->fields == head.fields);
    CHECK(asked->body == kStreamed);
    CHECK(asked->version == http::Version::kHttp2);

    CHECK(send_head(theirs, response(100), false).has_value());
    auto hints = response(103);
    REQUIRE(hints.fields.add("link", "</a>"));
    CHECK(send_head(theirs, hints, false).has_value());
    auto first = co_await mine->informational(soon());
    REQUIRE((first.has_value() && first->has_value()));
    CHECK(response_head(**first, false, false)->status == 100);
    CHECK((co_await mine->write(bytes_of("body"), soon())).has_value());
    http::Fields sum;
    REQUIRE(sum.add("x-sum", "4"));
    CHECK(finish(*mine, sum).has_value());
    CHECK((co_await read_all(&theirs)) == "body");
    CHECK(*trailer_fields(theirs) == sum);

    CHECK(send_head(theirs, response(200, kStreamed), false).has_value());
    CHECK(theirs.send_informational({{":status", "103"}}).error().code == ErrorCode::kInvalid);
    auto second = co_await mine->informational(soon());
    REQUIRE((second.has_value() && second->has_value()));
    CHECK(response_head(**second, false, false)->fields == hints.fields);
    auto none = co_await mine->informational(soon());
    REQUIRE(none.has_value());
    CHECK_FALSE(none->has_value());
    const auto block = co_await mine->response(soon());
    REQUIRE(block.has_value());
    const auto answer = response_head(**block, mine->ended_without_body(), false);
    REQUIRE(answer.has_value());
    CHECK(answer->status == 200);
    CHECK(answer->body == kStreamed);
    CHECK((co_await theirs.write(bytes_of("answer"), soon())).has_value());
    CHECK(finish(theirs, {}).has_value());
    CHECK((co_await read_all(&*mine)) == "answer");
    CHECK(trailer_fields(*mine)->empty());
    co_await settle();
    CHECK(mine->closed());
    CHECK_FALSE(mine->reset_code());
    co_await pair.stop();
  });
}

TEST_CASE("messages without bodies end with their heads, those with trailers alone do not") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_memory();
    auto mine = open(*pair.client, request("GET"));
    Stream theirs = co_await pair.accept();
    CHECK(theirs.ended_without_body());
    CHECK(request_head(theirs)->body == http::Body{});
    CHECK(send_head(theirs, response(304, {.length = 7}), true).has_value());
    const auto block = co_await mine->response(soon());
    REQUIRE(block.has_value());
    CHECK(response_head(**block, mine->ended_without_body(), false)->body ==
          http::Body{.length = 7});

    auto other = open(*pair.client, request("GET"));
    Stream others = co_await pair.accept();
    CHECK(send_head(others, response(200, kStreamed), false).has_value());
    http::Fields status;
    REQUIRE(status.add("grpc-status", "5"));
    CHECK(finish(others, status).has_value());
    CHECK((co_await read_all(&*other)).empty());
    CHECK(other->remote_ended());
    CHECK_FALSE(other->ended_without_body());
    CHECK(*trailer_fields(*other) == status);
    co_await pair.stop();
  });
}

TEST_CASE("a body that is not as long as announced resets its stream only") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_memory();
    for (const char* body : {"12", "1234"}) {
      auto mine = open(*pair.client, request("PUT", {.present = true, .length = 3}));
      Stream theirs = co_await pair.accept();
      CHECK(request_head(theirs)->body.length == 3);
      CHECK((co_await mine->write(bytes_of(body), soon())).has_value());
      (void)mine->finish();
      CHECK((co_await read_all(&*mine)) == "!reset");
      CHECK(mine->reset_code() == std::optional<std::uint32_t>(kProtocolError));
    }
    auto mine = open(*pair.client, request("PUT", {.present = true, .length = 3}));
    Stream theirs = co_await pair.accept();
    CHECK((co_await mine->write(bytes_of("123"), soon())).has_value());
    CHECK(mine->finish().has_value());
    CHECK((co_await read_all(&theirs)) == "123");
    co_await pair.stop();
  });
}

TEST_CASE("what nghttp2 lets pass and HTTP does not is refused with a status") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_memory();
    auto head = request("GET");
    head.authority = "user@web";
    auto mine = open(*pair.client, head);
    Stream theirs = co_await pair.accept();
    CHECK(request_head(theirs).error() == http::refusals::kHost);
    CHECK(request_head(theirs, {.head_bytes = 10}).error() == http::refusals::kHeadTooLong);
    co_await pair.stop();
  });
}

TEST_CASE("extended CONNECT is announced where it is taken, and refused elsewhere") {
  run_loop([]() -> Task<> {
    for (const bool taken : {true, false}) {
      Pair pair;
      Options server = Options::server();
      server.extended_connect = taken;
      pair.over_memory(Options::client(), server);
      CHECK((co_await pair.client->handshake(soon())).has_value());
      CHECK(pair.client->peer_takes_extended_connect() == taken);
      auto head = request("GET");
      head.upgrade = "websocket";
      auto mine = open(*pair.client, head);
      REQUIRE(mine.has_value());
      if (!taken) {
        CHECK((co_await mine->response(soon())).error().code == ErrorCode::kReset);
        co_await pair.stop();
        continue;
      }
      Stream theirs = co_await pair.accept();
      CHECK(request_head(theirs)->upgrade == "websocket");
      CHECK(request_head(theirs)->method == "GET");
      auto switching = response(101);
      switching.upgrade = "websocket";
      CHECK(send_head(theirs, switching, false).has_value());
      const auto block = co_await mine->response(soon());
      REQUIRE(block.has_value());
      CHECK(response_head(**block, false, false, "websocket")->status == 101);
      CHECK((co_await mine->write(bytes_of("frames"), soon())).has_value());
      CHECK(mine->finish().has_value());
      CHECK((co_await read_all(&theirs)) == "frames");
      co_await pair.stop();
    }
  });
}

TEST_CASE("informational responses are bounded in number") {
  run_loop([]() -> Task<> {
    for (const std::size_t count : {kMaxInformational, kMaxInformational + 1}) {
      Pair pair;
      pair.over_memory();
      auto mine = open(*pair.client, request("GET"));
      Stream theirs = co_await pair.accept();
      for (std::size_t i = 0; i < count; ++i) {
        CHECK(send_head(theirs, response(103), false).has_value());
      }
      CHECK(theirs.send_informational({{":status", "101"}}).error().code == ErrorCode::kInvalid);
      CHECK(theirs.send_informational({{":status", "200"}}).error().code == ErrorCode::kInvalid);
      CHECK(send_head(theirs, response(200), true).has_value());
      const auto block = co_await mine->response(soon());
      CHECK(block.has_value() == (count == kMaxInformational));
      if (!block) CHECK(mine->reset_code() == std::optional<std::uint32_t>(kEnhanceYourCalm));
      co_await pair.stop();
    }
  });
}
