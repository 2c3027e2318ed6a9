#include "server_pair.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::testing;

namespace {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

std::string answer(std::string_view said, std::string_view more = "") {
  return fmt::format("HTTP/1.1 200 OK\r\n{}content-length: {}\r\n\r\n{}\n", more, said.size() + 1,
                     said);
}

// A connection whose client says all of it in parts of `step` bytes, the first of `first`, and
// closes when the server has.
Task<> talk(std::string_view said, std::size_t first, std::size_t step, std::string* heard,
            Result<void>* result) {
  Echo echo;
  ServerPair pair(echo);
  pair.to_server->reads = {first};
  pair.to_server->max_read = step;
  pair.say(said);
  pair.start();
  co_await pair.finish();
  *heard = pair.heard();
  *result = pair.result;
}

std::string heard_of(std::string_view said, std::size_t first = SIZE_MAX,
                     std::size_t step = SIZE_MAX) {
  std::string heard;
  Result<void> result;
  run_loop(talk, said, first, step, &heard, &result);
  return heard;
}

}  // namespace

TEST_CASE("pipelined requests are answered in order wherever their bytes are cut") {
  const std::string said =
      "GET /1 HTTP/1.1\r\nHost: web\r\n\r\n"
      "POST /2 HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhello"
      "POST /3 HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
      "3\r\nabc\r\n2;q=1\r\nde\r\n0\r\nT: u\r\n\r\n"
      "HEAD /4 HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";
  const std::string expected = answer("GET web/1") + answer("POST web/2 [hello]") +
                               answer("POST web/3 x=y [abcde] t=u") +
                               "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 11\r\n\r\n";
  CHECK(heard_of(said) == expected);
  for (std::size_t cut = 1; cut < said.size(); ++cut) {
    CAPTURE(cut);
    CHECK(heard_of(said, cut) == expected);
  }
  CHECK(heard_of(said, 1, 1) == expected);
}

TEST_CASE("HTTP/1.0 is closed behind its answer unless it asks for more") {
  CHECK(heard_of("GET /a HTTP/1.0\r\n\r\n") == answer("GET /a", "connection: close\r\n"));
  CHECK(heard_of("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n") ==
        answer("GET /a", "connection: keep-alive\r\n") + answer("GET /b", "connection: close\r\n"));
}

TEST_CASE("what is refused gets its status, a close, and a reason for the log") {
  run_loop([]() -> Task<> {
    Echo echo;
    ServerPair pair(echo);
    pair.say(std::string(kGet) + "GET /b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" +
             std::string(kGet));
    pair.start();
    co_await pair.finish();
    CHECK(pair.heard() ==
          answer("GET web/a") +
              "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    CHECK(pair.refused == std::vector<std::string>{"there is more than one Host field"});
    CHECK(echo.begun == 1);
    CHECK(pair.result.error().code == ErrorCode::kProtocol);
    CHECK(pair.result.error().origin == Origin::kClient);
  });
}

TEST_CASE("a body that is refused fails its handler, and the client gets the status") {
  struct Sink final : Echo {
    Task<> serve(ServerExchange& exchange) override {
      seen.push_back(co_await read_all(&exchange));
    }
  };
  run_loop([]() -> Task<> {
    Sink sink;
    ServerPair pair(sink);
    pair.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX\r\n");
    pair.start();
    co_await pair.finish();
    CHECK(sink.seen == std::vector<std::string>{"ab!protocol error"});
    CHECK(pair.heard().starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"));
  });
}

TEST_CASE("a client that waits for 100 gets it when its body is asked for") {
  run_loop([]() -> Task<> {
    Echo echo;
    ServerPair pair(echo);
    pair.start();
    pair.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    co_await pair.hear("100 Continue\r\n\r\n");
    CHECK(pair.heard() == "HTTP/1.1 100 Continue\r\n\r\n");
    pair.say("ok");
    co_await pair.hear("[ok]");
    CHECK(pair.heard().ends_with("POST a/ expect=100-continue [ok]\n"));
    pair.close();
    co_await pair.finish();
    CHECK(pair.result.has_value());
  });
}

TEST_CASE("a client that leaves stops the handler at once, one that resets too") {
  struct Patient final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      ++begun;
      (void)co_await io::sleep_until(soon());
      ++stopped;
      const auto late = co_await exchange.write_body(bytes_of("x"), soon());
      CHECK_FALSE(late.has_value());
    }
    int begun = 0, stopped = 0;
  };
  for (const bool broken : {false, true}) {
    run_loop(
        [](bool breaks) -> Task<> {
          Patient patient;
          ServerPair pair(patient);
          pair.start();
          pair.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
          co_await settle();
          REQUIRE(patient.begun == 1);
          CHECK(patient.stopped == 0);
          pair.to_server->broken = breaks;
          pair.close();
          co_await pair.scope.join();
          CHECK(patient.stopped == 1);
          CHECK(pair.result.error().code == ErrorCode::kReset);
          CHECK(pair.result.error().origin == Origin::kClient);
          CHECK(pair.heard() == "");
        },
        broken);
  }
}

TEST_CASE("a response that is not finished is cut, and never looks whole") {
  struct Half final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      http::ResponseHead head;
      head.status = 200;
      head.body.present = true;
      exchange.send_head(head, false);
      (void)co_await exchange.write_body(bytes_of("half"), soon());
      co_await settle();
    }
  };
  run_loop([]() -> Task<> {
    Half half;
    ServerPair pair(half);
    pair.say(std::string(kGet) + std::string(kGet));
    pair.start();
    co_await pair.scope.join();
    CHECK(pair.heard() == "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  });
}

TEST_CASE("a body is never longer or shorter than its head said") {
  struct Liar final : Handler {
    explicit Liar(std::string_view t) : text(t) {}
    Task<> serve(ServerExchange& exchange) override {
      http::ResponseHead head;
      head.status = 200;
      head.body = {true, 4};
      exchange.send_head(head, false);
      written = co_await exchange.write_body(bytes_of(text), soon());
      (void)co_await exchange.finish({}, soon());
    }
    std::string_view text;
    Result<void> written;
  };
  for (const std::string_view text : {"abc", "abcde"}) {
    run_loop(
        [](std::string_view said) -> Task<> {
          Liar liar(said);
          ServerPair pair(liar);
          pair.say(std::string(kGet) + std::string(kGet));
          pair.start();
          co_await pair.scope.join();
          CHECK(liar.written.has_value() == (said.size() < 4));
          CHECK_FALSE(pair.result.has_value());
          CHECK(pair.heard().find("abcd") == std::string::npos);
        },
        text);
  }
}

TEST_CASE("an answer before the request's end closes the connection behind it") {
  struct Hasty final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      http::ResponseHead head;
      head.status = 413;
      exchange.send_head(head, true);
      co_return;
    }
  };
  run_loop([]() -> Task<> {
    Hasty hasty;
    ServerPair pair(hasty);
    pair.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    pair.start();
    co_await pair.finish();
    CHECK(pair.heard() ==
          "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    CHECK(pair.result.has_value());
  });
}

TEST_CASE("an upgraded connection carries bytes both ways, each direction to its end") {
  struct Upgrader final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      CHECK(exchange.request().upgrade == "websocket");
      http::ResponseHead head;
      head.status = 101;
      head.upgrade = "websocket";
      exchange.send_head(head, false);
      (void)co_await exchange.write_body(bytes_of("hello "), soon());
      const auto said = co_await read_all(&exchange);
      (void)co_await exchange.write_body(bytes_of(said), soon());
      ended = (co_await exchange.finish({}, soon())).has_value();
    }
    bool ended = false;
  };
  run_loop([]() -> Task<> {
    Upgrader upgrader;
    ServerPair pair(upgrader);
    pair.start();
    pair.say(
        "GET /w HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nearly ");
    co_await pair.hear("hello");
    pair.say("late");
    co_await settle();
    pair.close();  // half: the answer still comes
    co_await pair.finish();
    CHECK(pair.heard() ==
          "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
          "hello early late");
    CHECK(upgrader.ended);
    CHECK(pair.result.has_value());
  });
}

TEST_CASE("times run out by name: a head, an idle connection, a request in which nothing moves") {
  run_loop([]() -> Task<> {
    Echo echo;
    ServerPair head(echo);
    head.options.head_timeout = milliseconds(30);
    head.say("GET / HTTP/1.1\r\nHo");
    head.start();
    co_await head.finish();
    CHECK(head.heard().starts_with("HTTP/1.1 408 "));
    CHECK(head.refused == std::vector<std::string>{"the request did not come in time"});

    ServerPair idle(echo);
    idle.options.idle_timeout = milliseconds(30);
    idle.say(kGet);
    idle.start();
    co_await idle.finish();
    CHECK(idle.heard() == answer("GET web/a"));
    CHECK(idle.result.has_value());

    ServerPair body(echo);
    body.options.stream_idle_timeout = milliseconds(30);
    body.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    body.start();
    co_await body.finish();
    CHECK(body.heard().starts_with("HTTP/1.1 408 "));
    CHECK(body.result.error().code == ErrorCode::kTimeout);
  });
}

TEST_CASE("waiting for an answer is not bounded by the time in which a client must move") {
  struct Slow final : Echo {
    Task<> serve(ServerExchange& exchange) override {
      co_await io::sleep_until(io::in(milliseconds(150)));
      co_await Echo::serve(exchange);
    }
  };
  run_loop([]() -> Task<> {
    Slow slow;
    ServerPair pair(slow);
    pair.options.stream_idle_timeout = milliseconds(30);
    pair.say(kGet);
    pair.start();
    co_await pair.hear("web/a");
    CHECK(pair.heard() == answer("GET web/a"));
    pair.close();
    co_await pair.finish();
  });
}

TEST_CASE("a request behind a body that nobody took is answered, however much of it had come") {
  struct Deaf final : Handler {
    Task<> serve(ServerExchange& exchange) override {
      co_await settle();
      http::ResponseHead head;
      head.status = ++served < 2 ? 503 : 200;
      head.body.length = 0;
      exchange.send_head(head, true);
    }
    int served = 0;
  };
  run_loop([]() -> Task<> {
    Deaf deaf;
    ServerPair pair(deaf);
    pair.say(
        fmt::format("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", kReadAheadBytes));
    pair.say(std::string(kReadAheadBytes, 'x'));
    pair.start();
    co_await pair.hear("503");
    pair.say(kGet);
    co_await pair.hear("HTTP/1.1 200");
    CHECK(deaf.served == 2);
    pair.close();
    co_await pair.finish();
  });
}

TEST_CASE("a drain closes what is idle, and says so on the response under way") {
  struct Slow final : Echo {
    Task<> serve(ServerExchange& exchange) override {
      co_await settle();
      co_await Echo::serve(exchange);
    }
  };
  run_loop([]() -> Task<> {
    Slow slow;
    ServerPair idle(slow);
    idle.say(kGet);
    idle.start();
    co_await idle.hear("web/a");
    co_await settle();
    idle.server->drain();
    co_await idle.finish();
    CHECK(idle.heard() == answer("GET web/a"));
    CHECK(idle.result.has_value());

    ServerPair busy(slow);
    busy.say(kGet);
    busy.start();
    CHECK_FALSE(busy.server->can_say_that_it_ends());
    co_await io::sleep_until(io::in(milliseconds(5)));
    CHECK(busy.server->can_say_that_it_ends());
    busy.server->drain();
    co_await busy.finish();
    CHECK(busy.heard() == answer("GET web/a", "connection: close\r\n"));
  });
}

TEST_CASE("a handler that does not read bounds what its client may send") {
  struct Lazy final : Handler {
    Task<> serve(ServerExchange&) override { (void)co_await io::sleep_until(soon()); }
  };
  run_loop([]() -> Task<> {
    Lazy lazy;
    ServerPair pair(lazy);
    pair.to_server->max_read = 16U << 10;
    pair.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    pair.say(std::string(1'000'000, 'x'));
    pair.start();
    co_await settle();
    CHECK(pair.to_server->data.size() > 1'000'000 - kReadAheadBytes - 2 * (16U << 10));
    pair.scope.request_stop();
    co_await pair.scope.join();
  });
}

namespace {

/// Answers without a body, waiting for nobody.
class Bare final : public Handler {
 public:
  Task<> serve(ServerExchange& exchange) override {
    ++begun;
    http::ResponseHead head;
    head.status = 404;
    head.body.length = 0;
    exchange.send_head(head, true);
    co_return;
  }
  int begun = 0;
};

}  // namespace

TEST_CASE("who pipelines and never reads is answered no more than his queue holds") {
  const auto talk = []() -> Task<> {
    Bare bare;
    ServerPair pair(bare);
    pair.to_client->full = true;
    pair.start();
    constexpr int kRequests = 6000;
    for (int i = 0; i < kRequests; i += 100) {
      std::string some;
      for (int j = 0; j < 100; ++j) some += kGet;
      pair.say(some);
      co_await settle();
    }
    // A head is about 50 bytes, the queue 64 KiB, and one write is on its way beside it.
    CHECK(bare.begun < 4000);
    CHECK(bare.begun > 100);
    pair.scope.request_stop();
    co_await pair.scope.join();
  };
  run_loop(talk);
}

TEST_CASE("an answer that breaks off aborts its connection, one that is whole ends it") {
  // Begins an answer whose end only the connection's could show, and finishes it if it is told to.
  class Begins : public Handler {
   public:
    explicit Begins(bool finishes) : finishes_(finishes) {}
    Task<> serve(ServerExchange& exchange) override {
      http::ResponseHead head;
      head.status = 200;
      head.body = {true, std::nullopt};
      exchange.send_head(head, false);
      (void)co_await exchange.write_body(bytes_of("begin"), soon());
      if (finishes_) {
        (void)co_await exchange.finish({}, soon());
      } else {
        exchange.reset(0);
      }
    }

   private:
    const bool finishes_;
  };
  for (const bool finishes : {true, false}) {
    run_loop(
        [](bool whole) -> Task<> {
          Begins handler(whole);
          ServerPair pair(handler);
          pair.say("GET /a HTTP/1.0\r\n\r\n");
          pair.start();
          if (whole) {
            co_await pair.finish();
          } else {
            co_await pair.scope.join();
          }
          CHECK(pair.to_client->aborted != whole);
          CHECK(pair.result.has_value() == whole);
        },
        finishes);
  }
}
