// HTTP/2, both sides: our client's connections speak to our server's, over memory.
#include "culvert/h2/options.hpp"
#include "pool_pair.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::testing;

namespace {

struct Http2Pair : PoolPair {
  explicit Http2Pair(Handler* handler = nullptr) {
    dialer.version = HttpVersion::kHttp2;
    dialer.handler = handler;
  }
};

http::RequestHead post(std::optional<std::uint64_t> length = std::nullopt) {
  http::RequestHead head;
  head.version = http::Version::kHttp2;
  head.method = "POST";
  head.scheme = "http";
  head.authority = "web";
  head.path = "/p";
  head.body = {true, length};
  return head;
}

http::ResponseHead status(std::uint16_t code) {
  http::ResponseHead head;
  head.status = code;
  return head;
}

}  // namespace

TEST_CASE("requests at the same time share one connection of HTTP/2, up to its streams") {
  run_loop([]() -> Task<> {
    Http2Pair pair;
    pair.limits.max_concurrent_streams = 2;
    auto first = co_await pair.open();
    auto second = co_await pair.open();
    REQUIRE((first && second));
    CHECK(pair.dialer.dialled == 1);
    auto third = co_await pair.open();
    CHECK(pair.dialer.dialled == 2);
    CHECK((co_await get(second->get(), "/2")) == "/2");
    CHECK((co_await get(first->get(), "/1")) == "/1");
    CHECK((co_await get(third->get(), "/3")) == "/3");
    first->reset();
    second->reset();
    third->reset();
    CHECK(pair.pool.counts().connections == 2);
    co_await pair.stop();
  });
}

TEST_CASE("who comes while a connection of HTTP/2 is being opened shares it, or its failure") {
  run_loop([]() -> Task<> {
    Http2Pair pair;
    std::vector<std::string> heard;
    const auto ask = [](PoolPair* p, std::vector<std::string>* all) -> Task<> {
      auto opened = co_await p->open();
      all->push_back(opened ? co_await get(opened->get(), "/")
                            : error_info(opened.error().code).name);
    };
    for (const bool refuses : {true, false}) {
      pair.dialer.refuses = refuses;
      Scope asking;
      for (int i = 0; i < 3; ++i) asking.spawn(ask, static_cast<PoolPair*>(&pair), &heard);
      co_await asking.join();
    }
    CHECK(heard == std::vector<std::string>{"refused", "refused", "refused", "/", "/", "/"});
    CHECK(pair.dialer.dialled == 1);
    co_await pair.stop();
  });
}

TEST_CASE("who makes a connection of HTTP/2 has a stream of it, however many wait meanwhile") {
  run_loop([]() -> Task<> {
    Http2Pair pair;
    pair.limits.max_concurrent_streams = 2;
    pair.dialer.servers_begin_after = milliseconds(120);  // who waits looks every 50 ms
    std::vector<std::unique_ptr<ClientExchange>> opened;
    const auto ask = [](PoolPair* p, std::vector<std::unique_ptr<ClientExchange>>* all) -> Task<> {
      auto one = co_await p->open();
      if (one) all->push_back(std::move(*one));
    };
    Scope asking;
    for (int i = 0; i < 6; ++i) asking.spawn(ask, static_cast<PoolPair*>(&pair), &opened);
    co_await asking.join();
    CHECK(opened.size() == 6);
    CHECK(pair.dialer.dialled == 3);
    opened.clear();
    CHECK(pair.pool.counts().connections == 3);
    co_await pair.stop();
  });
}

TEST_CASE("bodies and trailers stream both ways at once, wherever their bytes are cut") {
  struct Chatter final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      auto head = status(200);
      head.body.present = true;
      exchange.send_informational(status(103));
      exchange.send_head(head, false);
      while (true) {
        const auto part = co_await exchange.read_body(soon());
        if (!part || part->empty()) break;
        const auto said = "<" + text_of(*part) + ">";
        (void)co_await exchange.write_body(bytes_of(said), soon());
      }
      http::Fields trailers;
      trailers.add("grpc-status", "0");
      for (const auto field : exchange.request_trailers()) trailers.add(field.name, field.value);
      (void)co_await exchange.finish(trailers, soon());
    }
  };
  for (const std::size_t cut : {std::size_t{1}, std::size_t{7}, std::size_t{SIZE_MAX}}) {
    run_loop(
        [](std::size_t step) -> Task<> {
          Chatter chatter;
          Http2Pair pair(&chatter);
          auto open = co_await pair.open();
          REQUIRE(open);
          pair.dialer.fars.back().to_server->max_read = step;
          pair.dialer.fars.back().to_client->max_read = step;
          CHECK((*open)->send_head(post(), false).has_value());
          auto answer = co_await (*open)->read_head(soon());
          REQUIRE(answer);
          CHECK((*answer)->status == 103);
          answer = co_await (*open)->read_head(soon());
          REQUIRE(answer);
          CHECK((*answer)->status == 200);
          std::string heard;
          for (const char* part : {"a", "bc"}) {
            (void)co_await (*open)->write_body(bytes_of(part), soon());
            while (!heard.ends_with('>') || heard.find(part) == std::string::npos) {
              const auto got = co_await (*open)->read_body(soon());
              REQUIRE((got && !got->empty()));
              heard += text_of(*got);
            }
          }
          http::Fields trailers;
          trailers.add("t", "u");
          (void)co_await (*open)->finish(trailers, soon());
          CHECK((co_await read_all(open->get())) == "");
          CHECK((*open)->trailers().find("grpc-status") == "0");
          CHECK((*open)->trailers().find("t") == "u");
          if (step > 7) CHECK(heard == "<a><bc>");
          open->reset();
          co_await pair.stop();
        },
        cut);
  }
}

TEST_CASE("what is left of a request is sent without waiting, or nothing of it is") {
  struct Echo final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      std::string heard;
      while (true) {
        const auto part = co_await exchange.read_body(soon());
        if (!part || part->empty()) break;
        heard += text_of(*part);
      }
      for (const auto field : exchange.request_trailers()) heard += field.name;
      auto head = status(200);
      head.body.present = true;
      exchange.send_head(head, false);
      (void)co_await exchange.write_body(bytes_of(heard), soon());
      (void)co_await exchange.finish({}, soon());
    }
  };
  run_loop([]() -> Task<> {
    Echo echo;
    Http2Pair pair(&echo);
    auto open = co_await pair.open();
    CHECK((*open)->send_head(post(), false).has_value());
    http::Fields trailers;
    trailers.add("t", "u");
    const std::string large(h2::kPassBytes, 'x');  // passed on as it is, which waits
    CHECK_FALSE((*open)->try_send_rest(bytes_of(large), trailers).has_value());
    const auto sent = (*open)->try_send_rest(bytes_of("rest "), trailers);
    REQUIRE(sent);
    CHECK(sent->has_value());
    CHECK((co_await (*open)->read_head(soon())).has_value());
    CHECK((co_await read_all(open->get())) == "rest t");
    *open = std::move(*co_await pair.open());
    CHECK((*open)->send_head(post(3), false).has_value());
    const auto longer = (*open)->try_send_rest(bytes_of("four"), {});
    REQUIRE(longer);
    CHECK(longer->error().code == ErrorCode::kInvalid);
    open->reset();
    co_await pair.stop();
  });
}

TEST_CASE("an answer of trailers alone has no body") {
  struct Refuser final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      auto head = status(200);
      head.fields.add("grpc-status", "12");
      exchange.send_head(head, true);
      co_return;
    }
  };
  run_loop([]() -> Task<> {
    Refuser refuser;
    Http2Pair pair(&refuser);
    auto open = co_await pair.open();
    (void)(*open)->send_head(post(), false);
    const auto answer = co_await (*open)->read_head(soon());
    REQUIRE(answer);
    CHECK((*answer)->fields.find("grpc-status") == "12");
    CHECK_FALSE((*answer)->body.present);
    CHECK((co_await read_all(open->get())) == "");
    open->reset();
    co_await pair.stop();
  });
}

TEST_CASE("a client's reset, and the end of its connection, stop the handler at once") {
  struct Patient final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      ++begun;
      (void)co_await io::sleep_until(soon());
      ++stopped;
      CHECK_FALSE((co_await exchange.read_body(soon())).has_value());
    }
    int begun = 0, stopped = 0;
  };
  for (const bool connection : {false, true}) {
    run_loop(
        [](bool whole) -> Task<> {
          Patient patient;
          Http2Pair pair(&patient);
          auto open = co_await pair.open();
          (void)(*open)->send_head(post(), false);
          co_await settle();
          REQUIRE(patient.begun == 1);
          CHECK(patient.stopped == 0);
          if (whole) {
            pair.dialer.fars.back().to_server->broken = true;
            pair.dialer.fars.back().to_server->changed.notify();
          }
          open->reset();
          co_await settle();
          CHECK(patient.stopped == 1);
          co_await pair.stop();
        },
        connection);
  }
}

TEST_CASE("a handler that leaves, or lies about a length, resets its stream alone") {
  struct Leaver final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      if (exchange.request().path == "/leave") co_return;
      auto head = status(200);
      head.body = {true, 4};
      exchange.send_head(head, false);
      (void)co_await exchange.write_body(bytes_of("abc"), soon());
      (void)co_await exchange.finish({}, soon());
    }
  };
  run_loop([]() -> Task<> {
    Leaver leaver;
    Http2Pair pair(&leaver);
    for (const char* path : {"/leave", "/lie"}) {
      auto open = co_await pair.open();
      CHECK((co_await get(open->get(), path)).ends_with("!reset"));
    }
    CHECK(pair.dialer.dialled == 1);
    co_await pair.stop();
  });
}

TEST_CASE("a websocket goes by extended CONNECT where the upstream takes it") {
  struct Upgrader final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      CHECK(exchange.request().upgrade == "websocket");
      CHECK(exchange.request().method == "GET");
      auto head = status(101);
      head.upgrade = "websocket";
      exchange.send_head(head, false);
      const auto said = co_await read_all(&exchange);
      (void)co_await exchange.write_body(bytes_of(said), soon());
      (void)co_await exchange.finish({}, soon());
    }
  };
  run_loop([]() -> Task<> {
    Upgrader upgrader;
    Http2Pair pair(&upgrader);
    auto open = co_await pair.open("a", true);
    REQUIRE(open);
    auto head = post();
    head.method = "GET";
    head.body = {};
    head.upgrade = "websocket";
    CHECK((*open)->send_head(head, false).has_value());
    const auto answer = co_await (*open)->read_head(soon());
    REQUIRE(answer);
    CHECK((*answer)->status == 101);
    (void)co_await (*open)->write_body(bytes_of("frames"), soon());
    (void)co_await (*open)->finish({}, soon());
    CHECK((co_await read_all(open->get())) == "frames");
    open->reset();
    co_await pair.stop();
  });
}

TEST_CASE("an answer that is no upgrade never looks like a tunnel to who asked for one") {
  struct Plain final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      auto head = status(200);
      head.body.length = 4;
      exchange.send_head(head, false);
      (void)co_await exchange.write_body(bytes_of("page"), soon());
      (void)co_await exchange.finish({}, soon());
    }
  };
  run_loop([]() -> Task<> {
    Plain plain;
    Http2Pair pair(&plain);
    auto open = co_await pair.open("a", true);
    REQUIRE(open);
    auto head = post();
    head.method = "GET";
    head.body = {};
    head.upgrade = "websocket";
    CHECK((*open)->send_head(head, false).has_value());
    const auto answer = co_await (*open)->read_head(soon());
    REQUIRE(answer);
    CHECK((*answer)->status == 502);
    open->reset();
    co_await pair.stop();
  });
}

TEST_CASE("a drain finishes what is under way and takes nothing new") {
  run_loop([]() -> Task<> {
    Http2Pair pair;
    auto open = co_await pair.open();
    (void)(*open)->send_head(post(), false);
    co_await settle();
    pair.dialer.fars.front().server->drain();
    co_await settle();
    auto next = co_await pair.open();
    CHECK(pair.dialer.dialled == 2);
    CHECK((co_await get(next->get(), "/n")) == "/n");
    (void)co_await (*open)->finish({}, soon());
    const auto answer = co_await (*open)->read_head(soon());
    CHECK(answer.has_value());
    CHECK((co_await read_all(open->get())) == "/p");
    open->reset();
    next->reset();
    co_await settle();
    CHECK(pair.pool.counts().connections == 1);
    co_await pair.stop();
  });
}

TEST_CASE("a stream in which nothing moves is answered or reset by its time-out") {
  struct Stuck final : Handler {
    Task<> serve(ServerExchange&) override { (void)co_await io::sleep_until(soon()); }
  };
  run_loop([]() -> Task<> {
    Stuck stuck;
    Http2Pair pair(&stuck);
    pair.dialer.options.stream_idle_timeout = milliseconds(30);
    auto open = co_await pair.open();
    (void)(*open)->send_head(post(), false);
    const auto answer = co_await (*open)->read_head(soon());
    REQUIRE(answer);
    CHECK((*answer)->status == 408);
    open->reset();
    co_await pair.stop();
  });
}

TEST_CASE("an idle connection of HTTP/2 ends by either side's time-out, in order") {
  run_loop([]() -> Task<> {
    for (const bool ours : {false, true}) {
      Http2Pair pair;
      pair.limits.idle_timeout = milliseconds(ours ? 30 : 10'000);
      pair.dialer.options.idle_timeout = milliseconds(ours ? 10'000 : 30);
      auto open = co_await pair.open();
      CHECK((co_await get(open->get(), "/")) == "/");
      open->reset();
      CHECK(pair.pool.counts().idle == 1);
      for (int i = 0; i < 200 && pair.pool.counts().connections > 0; ++i) co_await settle();
      CHECK(pair.pool.counts().connections == 0);
      CHECK(pair.quota->connections() == 0);
      co_await pair.stop();
    }
  });
}

TEST_CASE("an upstream of HTTP/2 that takes no stream is told by name, and its connection let go") {
  run_loop([]() -> Task<> {
    Http2Pair pair;
    pair.dialer.options.max_streams = 0;
    for (int i = 1; i <= 2; ++i) {
      const auto open = co_await pair.open();
      REQUIRE_FALSE(open);
      CHECK(open.error().code == ErrorCode::kRefused);
      for (int turn = 0; turn < 200 && pair.pool.counts().connections > 0; ++turn) {
        co_await settle();
      }
      CHECK(pair.pool.counts().connections == 0);
      CHECK(pair.dialer.dialled == i);
    }
    co_await pair.stop();
  });
}
