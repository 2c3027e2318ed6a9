// How long a request may stand still, on both versions of HTTP, by simulated time; and who a
// handler is told that stopped it.
#include "../exchange/clock.hpp"
#include "server_pair.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::testing;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

constexpr std::string_view kUpload = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
constexpr std::string_view kWhole = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kWebsocket =
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

enum class Asks : std::uint8_t { kPartOfABody, kAll, kWebsocket };

io::Deadline now() {
  return io::Loop::current().now();
}

/// Answers with a head and some parts, then waits for the rest of the request for ever; or for an
/// hour, where that is whole.
struct Patient final : Handler {
  Task<> serve(ServerExchange& exchange) override {
    const auto began = now();
    bool awake = true;
    if (head != 0) {
      http::ResponseHead sent;
      sent.status = head;
      if (head == 101) sent.upgrade = "websocket";
      sent.body.present = head != 101;
      exchange.send_head(sent, false);
    }
    for (int i = 0; i < parts && awake; ++i) {
      awake = co_await io::sleep_until(io::in(gap));
      if (awake) awake = (co_await exchange.write_body(bytes_of("x"), io::kNoDeadline)).has_value();
    }
    if (awake) awake = !(co_await read_all(&exchange, io::kNoDeadline)).contains('!');
    if (awake) awake = co_await io::sleep_until(io::in(hours(1)));
    if (!awake) by = exchange.stopped_by();
    lasted = std::chrono::duration_cast<milliseconds>(now() - began);
  }
  std::uint16_t head = 0;  // 0: none
  int parts = 0;
  minutes gap{0};
  std::optional<StoppedBy> by;
  std::optional<milliseconds> lasted;
};

/// A client of either version that asks once.
struct Client {
  Client(Handler& handler, HttpVersion its_version, std::uint32_t window_bytes = 65'535)
      : version(its_version), pair(handler, its_version) {
    pair.start();
    if (version == HttpVersion::kHttp1) return;
    auto options = h2::Options::client();
    options.stream_window_bytes = window_bytes;
    connection = h2::Connection::client(
        std::make_unique<MemoryStream>(pair.to_client, pair.to_server), options);
    scope.spawn([](Client* self) -> Task<> { (void)co_await self->connection->run(); }, this);
  }
  Task<> ask(Asks what) {
    if (version == HttpVersion::kHttp1) {
      pair.say(what == Asks::kAll ? kWhole : what == Asks::kWebsocket ? kWebsocket : kUpload);
    } else {
      h2::Headers head{{":method", what == Asks::kAll ? "GET" : "POST"},
                       {":scheme", "http"},
                       {":authority", "a"},
                       {":path", "/"}};
      if (what == Asks::kWebsocket) {
        REQUIRE(co_await connection->handshake(soon()));
        head[0].value = "CONNECT";
        head.push_back({":protocol", "websocket"});
        head.push_back({"sec-websocket-version", "13"});
      }
      auto opened = connection->open(head, what == Asks::kAll);
      REQUIRE(opened);
      stream = std::move(*opened);
      if (what == Asks::kPartOfABody) CHECK(co_await stream.write(bytes_of("abc"), soon()));
    }
    co_await settle();
  }
  /// Of the answer; empty: there is none.
  Task<std::string> status() {
    if (version == HttpVersion::kHttp1) {
      co_return pair.heard().empty() ? "" : pair.heard().substr(9, 3);
    }
    const auto head = co_await stream.response(soon());
    co_return head ? (*head)->front().value : "";
  }
  void go_away() {
    if (version == HttpVersion::kHttp1) return pair.close();
    stream.reset(h2::kCancel);
  }
  Task<> stop() {
    pair.close();
    pair.scope.request_stop();
    co_await pair.scope.join();
    scope.request_stop();
    co_await scope.join();
  }

  const HttpVersion version;
  ServerPair pair;
  std::unique_ptr<h2::Connection> connection;
  h2::Stream stream;
  Scope scope;
};

struct Row {
  const char* what;
  Asks asks;
  std::uint16_t head = 0;
  int parts = 0;
  minutes gap{0};
  std::optional<minutes> lasts;  // nullopt: an hour and more
  std::string status;
};

Task<> stand_still(HttpVersion version, const Row* row) {
  Patient patient;
  patient.head = row->head;
  patient.parts = row->parts;
  patient.gap = row->gap;
  Client client(patient, version);
  co_await client.ask(row->asks);
  co_await io::sleep_until(io::in(minutes(59)));
  CHECK(patient.lasted.has_value() == row->lasts.has_value());
  if (row->lasts && patient.lasted) {
    CHECK(*patient.lasted >= *row->lasts);
    CHECK(*patient.lasted <= *row->lasts + client.pair.options.stream_idle_timeout / 4);
    CHECK(patient.by == StoppedBy::kIdleTime);
  }
  CHECK(co_await client.status() == row->status);
  co_await client.stop();
}

Task<> stop_by(HttpVersion version, StoppedBy who) {
  Patient patient;
  Client client(patient, version);
  co_await client.ask(Asks::kPartOfABody);
  if (who == StoppedBy::kOwner) {
    client.pair.scope.request_stop();
  } else {
    client.go_away();
  }
  co_await settle();
  CHECK(patient.by == who);
  co_await client.stop();
}

/// Sends much, and says how far that came.
struct Generous final : Handler {
  Task<> serve(ServerExchange& exchange) override {
    http::ResponseHead head;
    head.status = 200;
    head.body = {true, kBytes};
    exchange.send_head(head, false);
    const std::string all(kBytes, 'x');
    const auto written = co_await exchange.write_body(bytes_of(all), io::kNoDeadline);
    if (written) (void)co_await exchange.finish({}, io::kNoDeadline);
    if (!written) by = exchange.stopped_by();
    ended_at = now();
  }
  static constexpr std::size_t kBytes = 400U << 10;  // more than a stream queues
  std::optional<StoppedBy> by;
  io::Deadline ended_at{};
};

/// Says a part that a stream queues whole, and then waits for its upstream, for hours.
struct SaysPart final : Handler {
  Task<> serve(ServerExchange& exchange) override {
    http::ResponseHead head;
    head.status = 200;
    head.body = {true, std::nullopt};
    exchange.send_head(head, false);
    const std::string part(kPartBytes, 'x');
    for (int i = 0; i < kParts; ++i) {
      CHECK((co_await exchange.write_body(bytes_of(part), io::kNoDeadline)).has_value());
    }
    said = true;
    if (!co_await io::sleep_until(io::in(hours(2)))) by = exchange.stopped_by();
  }
  static constexpr std::size_t kPartBytes = 2000;
  static constexpr int kParts = 8;
  bool said = false;
  std::optional<StoppedBy> by;
};

/// Takes what was said, or nothing beyond a window that is less.
Task<> leave_tail(bool takes) {
  SaysPart says;
  Client client(says, HttpVersion::kHttp2, SaysPart::kPartBytes);
  co_await client.ask(Asks::kAll);
  std::size_t taken = 0;
  while (takes && taken < SaysPart::kParts * SaysPart::kPartBytes) {
    const auto part = co_await client.stream.read(soon());
    REQUIRE(part);
    taken += part->size();
  }
  CHECK(says.said);
  co_await io::sleep_until(io::in(hours(1)));
  CHECK(says.by == (takes ? std::nullopt : std::optional(StoppedBy::kIdleTime)));
  co_await client.stop();
}

/// Takes all of it in an hour, or nothing.
Task<> read_slowly(bool at_all) {
  Generous generous;
  constexpr std::size_t kSteps = 60;
  constexpr std::size_t kStepBytes = Generous::kBytes / kSteps + 1;
  Client client(generous, HttpVersion::kHttp2, 2 * kStepBytes);
  const auto began = now();
  co_await client.ask(Asks::kAll);
  std::size_t taken = 0;
  for (std::size_t i = 0; i < 10 * kSteps && at_all && taken < Generous::kBytes; ++i) {
    const auto part = co_await client.stream.read(soon());
    REQUIRE(part);
    taken += part->size();
    co_await io::sleep_until(io::in(minutes(1)));
  }
  if (at_all) {
    CHECK(taken == Generous::kBytes);
    CHECK_FALSE(generous.by);
    CHECK(now() - began > minutes(30));
  } else {
    co_await io::sleep_until(io::in(hours(1)));
    CHECK(generous.by == StoppedBy::kIdleTime);
    const auto idle = client.pair.options.stream_idle_timeout;
    CHECK(generous.ended_at - began >= idle);
    CHECK(generous.ended_at - began <= idle + idle / 4);
  }
  co_await client.stop();
}

}  // namespace

TEST_CASE(
    "a request that has not come whole ends in time where nothing moves, unless its answer began") {
  const std::vector<Row> rows = {
      {"no answer", Asks::kPartOfABody, 0, 0, {}, minutes(5), "408"},
      {"behind the answer's head", Asks::kPartOfABody, 200, 0, {}, {}, "200"},
      {"behind parts of the answer", Asks::kPartOfABody, 200, 3, minutes(4), {}, "200"},
      {"a whole request", Asks::kAll, 200, 0, {}, {}, "200"},
      {"a websocket", Asks::kWebsocket, 101, 0, {}, {}, ""},
  };
  for (const auto version : {HttpVersion::kHttp1, HttpVersion::kHttp2}) {
    for (auto row : rows) {
      CAPTURE(static_cast<int>(version));
      CAPTURE(row.what);
      if (row.head == 101) row.status = version == HttpVersion::kHttp1 ? "101" : "200";
      test::simulate(stand_still, version, &row);
    }
  }
}

TEST_CASE("a handler that is stopped is told by whom") {
  using enum StoppedBy;
  test::simulate(stop_by, HttpVersion::kHttp1, kClient);
  test::simulate(stop_by, HttpVersion::kHttp1, kOwner);
  test::simulate(stop_by, HttpVersion::kHttp2, kClientReset);
  test::simulate(stop_by, HttpVersion::kHttp2, kOwner);
}

TEST_CASE(
    "a slow reader over HTTP/2 gets all of a long answer, one who reads nothing is cut in time") {
  test::simulate(read_slowly, true);
  test::simulate(read_slowly, false);
}

TEST_CASE(
    "a reader over HTTP/2 who leaves the tail of what was said is cut while more is waited for") {
  test::simulate(leave_tail, false);
  test::simulate(leave_tail, true);
}
