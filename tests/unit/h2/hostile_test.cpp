// A peer that breaks the protocol or floods: the connection ends, by name; the process does not.
#include <array>

#include "pair.hpp"

using namespace culvert;
using namespace culvert::h2;
using namespace culvert::h2::testing;

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload) {
  std::string out;
  const auto size = static_cast<std::uint32_t>(payload.size());
  for (const unsigned shift : {16U, 8U, 0U}) out += static_cast<char>(size >> shift);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out += static_cast<char>(stream >> shift);
  return out + std::string(payload);
}
std::string settings() {
  return frame(4, 0, 0, "");
}
std::string literal(std::string_view name, std::string_view value) {
  std::string out(1, '\0');
  out += static_cast<char>(name.size());
  out += name;
  out += static_cast<char>(value.size());
  return out + std::string(value);
}
std::string connect_block() {
  return literal(":method", "CONNECT") + literal(":authority", "a:1");
}
std::string connect(std::uint32_t id) {
  return frame(1, 4, id, connect_block());
}
std::string rst(std::uint32_t id) {
  return frame(3, 0, id, std::string("\0\0\0\10", 4));
}

// What a peer does beside sending.
enum class Peer : std::uint8_t { kStays, kCloses, kNeverReads };

struct Outcome {
  Result<void> end;
  bool over = false;
  bool lives = false;  // kNeverReads: all was read, and the connection goes on
  int streams = 0;
  std::string answer;
};

// Feeds a server these bytes and says how its connection ended within three seconds.
Task<> serve_bytes(const std::string* input, Outcome* outcome, Peer peer) {
  auto in_pipe = std::make_shared<Pipe>();
  auto out_pipe = std::make_shared<Pipe>();
  in_pipe->data = *input;
  in_pipe->ended = peer == Peer::kCloses;
  out_pipe->full = peer == Peer::kNeverReads;
  auto server = Connection::server(std::make_unique<MemoryStream>(in_pipe, out_pipe),
                                   Options::server(), [outcome](Stream) { ++outcome->streams; });
  Scope scope;
  scope.spawn(
      [](Connection* c, Outcome* o) -> Task<> {
        o->end = co_await c->run();
        o->over = true;
      },
      server.get(), outcome);
  for (int i = 0; i < 3000 && !outcome->over; ++i) {
    co_await io::sleep_until(in(milliseconds(1)));
    outcome->lives = in_pipe->data.empty() && peer == Peer::kNeverReads && i > 100;
    if (outcome->lives) break;
  }
  CHECK((outcome->over || outcome->lives));
  outcome->answer = out_pipe->all;
  scope.request_stop();
  co_await scope.join();
}

Outcome serve(const std::string& input, Peer peer = Peer::kStays) {
  Outcome outcome;
  run_loop(
      [](const std::string* i, Outcome* o, Peer p) -> Task<> { co_await serve_bytes(i, o, p); },
      &input, &outcome, peer);
  return outcome;
}

ErrorCode code_of(const Outcome& outcome) {
  return outcome.end ? ErrorCode::kNotFound : outcome.end.error().code;
}

}  // namespace

TEST_CASE("each class of malformed input ends the connection with a protocol error") {
  const std::string start = std::string(kPreface) + settings();
  const std::pair<std::string, std::string> cases[] = {
      {"no preface", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"first frame not SETTINGS", std::string(kPreface) + connect(1)},
      {"SETTINGS of a wrong size", start + frame(4, 0, 0, "12345")},
      {"SETTINGS on a stream", start + frame(4, 0, 1, "")},
      {"frame above the maximum size", start + std::string("\xff\xff\xff\0\0\0\0\0\1", 9) + "x"},
      {"DATA on stream 0", start + frame(0, 0, 0, "x")},
      {"DATA on an idle stream", start + frame(0, 0, 5, "x")},
      {"HEADERS on an even stream", start + connect(2)},
      {"HEADERS on a number that was passed over", start + connect(5) + connect(3)},
      {"HEADERS on a number of an older gap", start + connect(5) + connect(9) + connect(1)},
      {"HEADERS that is no HPACK",
       start + frame(1, 4, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
      {"padding longer than the frame", start + connect(1) + frame(0, 8, 1, "\x20")},
      {"CONTINUATION out of order", start + frame(9, 4, 1, "")},
      {"another frame inside a header block", start + frame(1, 0, 1, connect_block()) + settings()},
      {"WINDOW_UPDATE of zero", start + frame(8, 0, 0, std::string(4, '\0'))},
      {"window overflow",
       start + frame(8, 0, 0, "\x7f\xff\xff\xff") + frame(8, 0, 0, "\x7f\xff\xff\xff")},
      {"PING of a wrong size", start + frame(6, 0, 0, "1234")},
      {"RST_STREAM on an idle stream", start + rst(9)},
      {"PUSH_PROMISE from a client", start + frame(5, 4, 1, std::string("\0\0\0\2", 4))},
  };
  for (const auto& [name, input] : cases) {
    CAPTURE(name);
    CHECK(code_of(serve(input)) == ErrorCode::kProtocol);
  }
}

TEST_CASE("a connection that ends inside a frame ends without a stream") {
  const std::string whole = std::string(kPreface) + settings() + connect(1);
  for (const std::size_t cut : {0UL, 5UL, kPreface.size(), kPreface.size() + 4, whole.size() - 3}) {
    const auto outcome = serve(whole.substr(0, cut), Peer::kCloses);
    CHECK(outcome.streams == 0);
  }
}

TEST_CASE("a malformed request resets its stream and leaves the others alone") {
  // CONNECT with a :path, which RFC 9113 section 8.5 forbids, then a good one, then the end.
  const auto outcome =
      serve(std::string(kPreface) + settings() +
                frame(1, 4, 1, connect_block() + literal(":path", "/")) + connect(3),
            Peer::kCloses);
  CHECK(outcome.streams == 1);
}

TEST_CASE("a header list beyond its bound resets the stream with ENHANCE_YOUR_CALM") {
  std::string block = connect_block();
  for (int i = 0; i < 200; ++i) block += literal("name", "value");
  // What follows proves that the connection lives: its end is orderly.
  const auto outcome =
      serve(std::string(kPreface) + settings() + frame(1, 4, 1, block) + connect(3), Peer::kCloses);
  CHECK(outcome.streams == 1);
  CHECK(outcome.answer.find(frame(3, 0, 1, std::string("\0\0\0\x0b", 4))) != std::string::npos);
}

TEST_CASE("a header block far beyond its bounds ends the connection before it is decoded") {
  const std::string start =
      std::string(kPreface) + settings() + frame(4, 1, 0, "");  // and ours are acknowledged
  const auto fields = [](std::size_t count) {
    std::string block = connect_block();
    for (std::size_t i = 2; i < count; ++i) block += literal("n", "v");
    return block;
  };
  constexpr std::size_t kMost = kMaxHeaderExcess * kMaxHeaderFields;
  // A field of 4 KiB in the table, which one byte names then (RFC 7541 section 6.1).
  const std::string large = std::string("\x40\x01n\x7f\xa1\x1e") + std::string(4000, 'v');
  const auto named = [&](std::size_t times) {
    return connect_block() + large + std::string(times, '\xbe');
  };
  const std::size_t list_bytes = Options::server().header_list_bytes;

  for (const auto& block : {fields(kMost), named(list_bytes / 4000 + 4)}) {
    const auto outcome = serve(start + frame(1, 4, 1, block) + connect(3), Peer::kCloses);
    CHECK(code_of(outcome) != ErrorCode::kLimit);
    CHECK(outcome.streams == 1);
  }
  for (const auto& block : {fields(kMost + 1), named(kMaxHeaderExcess * list_bytes / 4000 + 1)}) {
    const auto outcome = serve(start + frame(1, 4, 1, block) + connect(3));
    CHECK(code_of(outcome) == ErrorCode::kLimit);
    CHECK(outcome.streams == 0);
  }
  // No byte of it need be there: a frame's head says enough, and so does one that goes on from it.
  const std::size_t most = kMaxHeaderExcess * list_bytes;
  const auto announced = [](std::uint8_t type, std::size_t size) {
    return frame(type, 0, 1, std::string(size, '\x20')).substr(0, 9);
  };
  CHECK(code_of(serve(start + announced(1, most + 1))) == ErrorCode::kLimit);
  const std::string first = connect_block() + large + std::string(list_bytes / 4000 - 2, '\xbe');
  CHECK(code_of(serve(start + frame(1, 0, 1, first) + announced(9, most - first.size() + 1))) ==
        ErrorCode::kLimit);
}

TEST_CASE("a header block of a stream that is over may not go on behind its frame") {
  const std::string start = std::string(kPreface) + settings() + connect(1) + rst(1);
  const std::string trailer = literal("n", "v");
  CHECK(code_of(serve(start + frame(1, 0, 1, trailer))) == ErrorCode::kLimit);
  const auto whole = serve(start + frame(1, 5, 1, trailer) + connect(3), Peer::kCloses);
  CHECK(code_of(whole) != ErrorCode::kLimit);
  const auto of_another =
      serve(start + frame(1, 0, 3, connect_block()) + frame(9, 4, 3, trailer), Peer::kCloses);
  CHECK(of_another.streams == 1);
}

TEST_CASE(
    "an answer that breaks its bounds is its server's fault, and no limit of anybody else's") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    auto many = pair.client->open(connect_request(), false);
    auto other = pair.client->open(connect_request(), false);
    Stream first = co_await pair.accept();
    Stream second = co_await pair.accept();
    Headers large = ok();
    for (std::size_t i = 0; i < kMaxHeaderFields + 10; ++i) large.push_back({"n", "v"});
    CHECK(first.send_headers(large, false).has_value());
    const auto broken = co_await many->response(soon());
    REQUIRE_FALSE(broken.has_value());
    CHECK(broken.error().code == ErrorCode::kProtocol);
    CHECK(broken.error().origin == Origin::kUpstream);
    CHECK(second.send_headers(ok(), false).has_value());
    CHECK((co_await other->response(soon())).has_value());

    for (std::size_t i = 0; i < kMaxHeaderExcess * kMaxHeaderFields; ++i)
      large.push_back({"n", "v"});
    auto third = pair.client->open(connect_request(), false);
    Stream answers = co_await pair.accept();
    CHECK(answers.send_headers(large, false).has_value());
    CHECK((co_await third->response(soon())).error().code == ErrorCode::kProtocol);
    const auto over = co_await other->read(soon());
    REQUIRE_FALSE(over.has_value());
    CHECK(over.error().code == ErrorCode::kReset);
    co_await pair.stop();
  });
}

TEST_CASE("floods end the connection: rapid resets, PINGs, SETTINGS, empty DATA, PRIORITY") {
  const std::string start = std::string(kPreface) + settings();
  std::string resets, pings, setting_frames, empty = connect(1), priorities;
  for (std::uint32_t i = 0; i < 1500; ++i) {
    resets += connect(2 * i + 1) + rst(2 * i + 1);
    pings += frame(6, 0, 0, "12345678");
    setting_frames += settings();
    empty += frame(0, 0, 1, "");
    priorities += frame(2, 0, 1, std::string("\0\0\0\0\1", 5));
  }
  for (const auto& flood : {resets, pings, setting_frames, empty, priorities}) {
    CHECK(code_of(serve(start + flood)) == ErrorCode::kLimit);
  }
}

TEST_CASE("a flood of requests that must be reset ends the connection") {
  const std::string start = std::string(kPreface) + settings();
  std::string malformed, oversized, overflow;
  std::string large = connect_block();
  for (int i = 0; i < 130; ++i) large += literal("n", "v");
  for (std::uint32_t i = 0; i < 1500; ++i) {
    const std::uint32_t id = 2 * i + 1;
    malformed += frame(1, 4, id, connect_block() + literal(":path", "/"));
    oversized += frame(1, 4, id, large);
    overflow += connect(id) + frame(8, 0, id, "\x7f\xff\xff\xff");
  }
  for (const auto& flood : {malformed, oversized, overflow}) {
    CHECK(code_of(serve(start + flood)) == ErrorCode::kLimit);
  }
}

TEST_CASE("streams that are reset in the same breath reach no handler") {
  const auto outcome =
      serve(std::string(kPreface) + settings() + connect(1) + rst(1) + connect(3), Peer::kCloses);
  CHECK(outcome.streams == 1);
}

TEST_CASE("streams whose handlers still wind down count against the peer that reset them") {
  run_loop([]() -> Task<> {
    auto in_pipe = std::make_shared<Pipe>();
    auto out_pipe = std::make_shared<Pipe>();
    std::vector<Stream> held;
    Options options = Options::server();
    options.max_streams = 10;
    auto server = Connection::server(std::make_unique<MemoryStream>(in_pipe, out_pipe), options,
                                     [&held](Stream stream) { held.push_back(std::move(stream)); });
    Scope scope;
    scope.spawn([](Connection* c) -> Task<> { (void)co_await c->run(); }, server.get());
    in_pipe->data = std::string(kPreface) + settings();
    for (std::uint32_t id = 1; id < 200; id += 2) {
      in_pipe->data += connect(id);
      in_pipe->changed.notify();
      co_await io::sleep_until(
          in(milliseconds(1)));  // a reset of its own, after the handler started
      in_pipe->data += rst(id);
      in_pipe->changed.notify();
      co_await io::sleep_until(in(milliseconds(1)));
    }
    CHECK(held.size() == 20);
    CHECK(!server->closed());
    held.clear();
    in_pipe->data += connect(201);
    in_pipe->changed.notify();
    co_await settle();
    CHECK(held.size() == 1);
    scope.request_stop();
    co_await scope.join();
  });
}

TEST_CASE("an answer that is too large to be sent resets its stream instead of hanging") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_sockets();
    auto mine = pair.client->open(connect_request(), true);
    Stream theirs = co_await pair.accept();
    Headers large = ok();
    for (int i = 0; i < 100; ++i) large.push_back({"x-large", std::string(1000, 'v')});
    (void)theirs.send_headers(large, false);
    CHECK(!(co_await mine->response(soon())).has_value());
    CHECK(mine->reset_code() == kInternalError);
    co_await pair.stop();
  });
}

TEST_CASE("bytes that were changed at random end at most the connection") {
  std::string wire = std::string(kPreface) + settings() + connect(1) + frame(0, 0, 1, "some data") +
                     connect(3) + frame(0, 1, 3, "more") +
                     frame(8, 0, 0, std::string("\0\0\1\0", 4)) + frame(6, 0, 0, "12345678") +
                     rst(1) + frame(7, 0, 0, std::string(8, '\0'));
  std::uint32_t random = 12345;
  auto next = [&random](std::uint32_t below) {
    random = random * 1664525U + 1013904223U;
    return (random >> 8U) % below;
  };
  for (int round = 0; round < 300; ++round) {
    std::string input = wire;
    for (std::uint32_t i = 0, n = 1 + next(8); i < n; ++i) {
      // Past the preface most of the time: what has none dies early.
      const auto at = next(10) == 0 ? next(static_cast<std::uint32_t>(input.size()))
                                    : 24 + next(static_cast<std::uint32_t>(input.size()) - 24);
      input[at] = static_cast<char>(next(256));
    }
    serve(input, Peer::kCloses);
  }
}

TEST_CASE("interim answers are skipped and the final one is given") {
  run_loop([]() -> Task<> {
    auto in_pipe = std::make_shared<Pipe>();
    auto out_pipe = std::make_shared<Pipe>();
    auto client =
        Connection::client(std::make_unique<MemoryStream>(in_pipe, out_pipe), Options::client());
    auto stream = client->open(connect_request(), false);
    Scope scope;
    scope.spawn([](Connection* c) -> Task<> { (void)co_await c->run(); }, client.get());
    co_await settle();
    in_pipe->data = settings() + frame(1, 4, 1, literal(":status", "103") + literal("link", "x")) +
                    frame(1, 5, 1, literal(":status", "200"));
    in_pipe->changed.notify();
    const auto answer = co_await stream->response(soon());
    REQUIRE(answer.has_value());
    CHECK(**answer == ok());
    scope.request_stop();
    co_await scope.join();
  });
}

TEST_CASE("a GOAWAY that has not seen a request refuses it") {
  run_loop([]() -> Task<> {
    auto in_pipe = std::make_shared<Pipe>();
    auto out_pipe = std::make_shared<Pipe>();
    auto client =
        Connection::client(std::make_unique<MemoryStream>(in_pipe, out_pipe), Options::client());
    auto first = client->open(connect_request(), false);
    auto second = client->open(connect_request(), false);
    Scope scope;
    scope.spawn([](Connection* c) -> Task<> { (void)co_await c->run(); }, client.get());
    co_await settle();
    in_pipe->data = settings() + frame(7, 0, 0, std::string("\0\0\0\1\0\0\0\0", 8));
    in_pipe->changed.notify();
    CHECK((co_await second->response(soon())).error().code == ErrorCode::kRefused);
    CHECK(!first->closed());
    CHECK(client->draining());
    scope.request_stop();
    co_await scope.join();
  });
}

TEST_CASE("acknowledgments that a peer does not read pile up to their bound, and no further") {
  const std::string start = std::string(kPreface) + settings();
  std::string pings;
  for (std::size_t i = 0; i < kMaxQueuedAcks / 2; ++i) pings += frame(6, 0, 0, "12345678");
  CHECK(serve(start + pings, Peer::kNeverReads).lives);
  CHECK(code_of(serve(start + pings + pings + pings, Peer::kNeverReads)) == ErrorCode::kLimit);
}
