#include "client_pair.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::testing;

namespace {

http::RequestHead get(std::string_view path) {
  http::RequestHead head;
  head.method = "GET";
  head.scheme = "http";
  head.authority = "web";
  head.path = path;
  return head;
}

Task<std::string> exchange(ClientPair* pair, std::string_view path, std::string_view body = {}) {
  if (!pair->client->can_open()) co_return "cannot open";
  auto open = pair->client->open();
  auto head = get(path);
  if (!body.empty()) {
    head.method = "POST";
    head.body.present = true;
  }
  if (const auto sent = open->send_head(head, body.empty()); !sent) co_return sent.error().text;
  if (!body.empty()) {
    (void)co_await open->write_body(bytes_of(body), soon());
    http::Fields trailers;
    trailers.add("t", "u");
    (void)co_await open->finish(trailers, soon());
  }
  std::string said;
  while (true) {
    const auto answer = co_await open->read_head(soon());
    if (!answer) co_return said + "!" + error_info(answer.error().code).name;
    said += std::to_string((*answer)->status) + " ";
    if (!(*answer)->informational()) break;
  }
  said += co_await read_all(open.get());
  for (const auto field : open->trailers()) said += fmt::format(" {}={}", field.name, field.value);
  co_return said;
}

constexpr std::string_view kGetText = "GET /a HTTP/1.1\r\nhost: web\r\n\r\n";

}  // namespace

TEST_CASE("responses are read wherever their bytes are cut, one behind another") {
  const std::string said =
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nA: "
      "b\r\n\r\n";
  const auto talk = [](std::string_view text, std::size_t first, std::size_t step) -> Task<> {
    ClientPair pair;
    pair.to_client->reads = {first};
    pair.to_client->max_read = step;
    pair.start();
    pair.answer(text);
    CHECK((co_await exchange(&pair, "/a")) == "103 200 abcde a=b");
    pair.answer("HTTP/1.1 204 No Content\r\n\r\n");
    CHECK((co_await exchange(&pair, "/a")) == "204 ");
    pair.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    CHECK((co_await exchange(&pair, "/a", "body")) == "200 ok");
    CHECK(pair.asked() == std::string(kGetText) + std::string(kGetText) +
                              "POST /a HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n"
                              "4\r\nbody\r\n0\r\nt: u\r\n\r\n");
    co_await settle();
    CHECK(pair.client->over());
    co_await pair.stop();
  };
  for (std::size_t cut = 1; cut <= said.size(); ++cut) {
    CAPTURE(cut);
    run_loop(talk, std::string_view(said), cut, std::size_t{SIZE_MAX});
  }
  run_loop(talk, std::string_view(said), std::size_t{1}, std::size_t{1});
}

TEST_CASE("a connection is used again only when both sides have ended in order") {
  struct Row {
    const char* answer;
    const char* heard;
    bool again;
  };
  const Row rows[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 ok", true},
      {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 ok", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", "200 ok", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "!protocol error",
       false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nX", "200 !protocol error", false},
  };
  for (const Row& row : rows) {
    run_loop(
        [](const Row* r) -> Task<> {
          CAPTURE(r->answer);
          ClientPair pair;
          pair.start();
          pair.answer(r->answer);
          CHECK((co_await exchange(&pair, "/a")) == r->heard);
          co_await settle();
          CHECK(pair.client->can_open() == r->again);
          co_await pair.stop();
        },
        &row);
  }
}

TEST_CASE("an exchange that is dropped before its end takes its connection along") {
  run_loop([]() -> Task<> {
    ClientPair pair;
    pair.start();
    {
      auto unused = pair.client->open();
    }
    CHECK(pair.client->can_open());
    {
      auto dropped = pair.client->open();
      (void)dropped->send_head(get("/a"), true);
    }
    CHECK(pair.client->over());
    CHECK(pair.changes > 0);
    co_await pair.stop();
  });
}

TEST_CASE("an upstream that closes is dead at once, and says whether it was asked") {
  run_loop([]() -> Task<> {
    ClientPair idle;
    idle.start();
    co_await settle();
    idle.upstream_closes();
    co_await settle();
    CHECK(idle.client->over());
    co_await idle.stop();

    ClientPair unasked;
    unasked.start();
    auto never = unasked.client->open();
    co_await settle();
    unasked.upstream_closes();
    co_await settle();
    const auto refused = never->send_head(get("/a"), true);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::kRefused);
    CHECK_FALSE(never->request_sent());
    never.reset();
    co_await unasked.stop();

    ClientPair asked;
    asked.start();
    auto open = asked.client->open();
    (void)open->send_head(get("/a"), true);
    co_await settle();
    asked.upstream_closes();
    const auto head = co_await open->read_head(soon());
    REQUIRE_FALSE(head.has_value());
    CHECK(head.error().code == ErrorCode::kReset);
    CHECK(head.error().origin == Origin::kUpstream);
    CHECK(open->request_sent());
    open.reset();
    co_await asked.stop();
  });
}

TEST_CASE("a body may end with the connection, but not in its middle") {
  run_loop([]() -> Task<> {
    ClientPair whole;
    whole.start();
    whole.answer("HTTP/1.1 200 OK\r\n\r\nall of it");
    whole.upstream_closes();
    CHECK((co_await exchange(&whole, "/a")) == "200 all of it");
    co_await whole.stop();

    ClientPair cut;
    cut.start();
    cut.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    cut.upstream_closes();
    CHECK((co_await exchange(&cut, "/a")) == "200 half!protocol error");
    co_await cut.stop();
  });
}

TEST_CASE("an answer may come before the request has been sent") {
  run_loop([]() -> Task<> {
    ClientPair pair;
    pair.start();
    auto open = pair.client->open();
    auto head = get("/a");
    head.method = "POST";
    head.body = {true, 1000};
    CHECK(open->send_head(head, false).has_value());
    pair.answer("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    const auto answer = co_await open->read_head(soon());
    REQUIRE(answer.has_value());
    CHECK((*answer)->status == 413);
    open.reset();
    CHECK(pair.client->over());
    co_await pair.stop();
  });
}

TEST_CASE("an upgraded connection carries bytes both ways") {
  run_loop([]() -> Task<> {
    ClientPair pair;
    pair.start();
    auto open = pair.client->open();
    auto head = get("/w");
    head.upgrade = "websocket";
    CHECK(open->send_head(head, false).has_value());
    pair.answer(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi ");
    const auto answer = co_await open->read_head(soon());
    REQUIRE(answer.has_value());
    CHECK((*answer)->status == 101);
    CHECK((co_await open->write_body(bytes_of("frames"), soon())).has_value());
    CHECK((co_await open->finish({}, soon())).has_value());
    CHECK(pair.asked().ends_with("\r\n\r\nframes"));
    CHECK(pair.to_server->ended);
    pair.answer("there");
    pair.upstream_closes();
    CHECK((co_await read_all(open.get())) == "hi there");
    open.reset();
    CHECK(pair.client->over());
    co_await pair.stop();
  });
}

TEST_CASE("the last request of a connection says so, and its age and idleness end it") {
  run_loop([]() -> Task<> {
    ClientOptions two;
    two.max_requests = 2;
    ClientPair pair(two);
    pair.start();
    for (int i = 0; i < 2; ++i) {
      pair.answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      CHECK((co_await exchange(&pair, "/a")) == "200 ");
    }
    CHECK(pair.client->over());
    CHECK(pair.asked() ==
          std::string(kGetText) + "GET /a HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
    co_await pair.stop();

    ClientOptions short_lived;
    short_lived.max_duration = milliseconds(40);
    ClientOptions impatient;
    impatient.idle_timeout = milliseconds(40);
    for (const ClientOptions& options : {short_lived, impatient}) {
      ClientPair aged(options);
      aged.start();
      aged.answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      CHECK((co_await exchange(&aged, "/a")) == "200 ");
      CHECK(aged.client->can_open());
      co_await aged.scope.join();  // its run() ends by itself
      CHECK(aged.client->over());
    }
  });
}

TEST_CASE("bytes that nobody asked for end an idle connection") {
  run_loop([]() -> Task<> {
    ClientPair pair;
    pair.start();
    co_await settle();
    pair.answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    co_await settle();
    CHECK(pair.client->over());
    co_await pair.stop();
  });
}

TEST_CASE("a response without a body leaves its connection to the next request") {
  const auto talk = []() -> Task<> {
    for (const std::string_view text :
         {std::string_view("HTTP/1.1 204 No Content\r\n\r\n"),
          std::string_view("HTTP/1.1 304 Not Modified\r\n\r\n"),
          std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}) {
      CAPTURE(text);
      ClientPair pair;
      pair.start();
      pair.answer(text);
      auto open = pair.client->open();
      CHECK(open->send_head(get("/a"), true));
      const auto head = co_await open->read_head(soon());
      REQUIRE(head);
      open.reset();  // its body was not asked for: there is none
      CHECK(pair.client->can_open());
      pair.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      CHECK((co_await exchange(&pair, "/b")) == "200 ok");
      co_await pair.stop();
    }
  };
  run_loop(talk);
}
