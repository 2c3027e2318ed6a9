// Bytes that are sent without a copy: pass() returns when nobody needs them any more, however it
// ends.
#include "pair.hpp"

using namespace culvert;
using namespace culvert::h2;
using namespace culvert::h2::testing;

namespace {

char pattern(std::size_t at) {
  return static_cast<char>(at * 31 + (at >> 12));
}

std::string pattern_of(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = pattern(i);
  return out;
}

// Passes in blocks of odd sizes, each overwritten as soon as it was passed.
Task<> pass_pattern(Stream* stream, std::size_t total, bool* done) {
  std::string block;
  std::size_t size = 1;
  for (std::size_t at = 0; at < total; at += block.size()) {
    block.resize(std::min(size, total - at));
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = pattern(at + i);
    if (!co_await stream->pass(bytes_of(block), soon())) co_return;
    block.assign(block.size(), '!');
    size = size * 5 % 200'001 + 1;
  }
  *done = stream->finish().has_value();
}

Task<> read_into(Stream* stream, std::string* into) {
  *into = co_await read_all(stream);
}

}  // namespace

TEST_CASE("what is passed arrives whole, over sockets and over memory, in both directions") {
  for (const bool sockets : {true, false}) {
    run_loop([sockets]() -> Task<> {
      constexpr std::size_t kTotal = 5'000'003;
      Pair pair;
      sockets ? pair.over_sockets() : pair.over_memory();
      auto mine = pair.client->open(connect_request(), false);
      Stream theirs = co_await pair.accept();
      CHECK(theirs.send_headers(ok(), false).has_value());
      bool up = false, down = false;
      std::string at_server, at_client;
      Scope scope;
      scope.spawn(pass_pattern, &*mine, kTotal, &up);
      scope.spawn(pass_pattern, &theirs, kTotal, &down);
      scope.spawn(read_into, &theirs, &at_server);
      scope.spawn(read_into, &*mine, &at_client);
      co_await scope.join();
      CHECK(up);
      CHECK(down);
      CHECK((at_server == pattern_of(kTotal)));
      CHECK((at_client == pattern_of(kTotal)));
      CHECK(pair.client->buffered_bytes() == 0);
      CHECK(pair.server->buffered_bytes() == 0);
      co_await pair.stop();
    });
  }
}

TEST_CASE("written and passed bytes keep their order") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_memory();
    auto mine = pair.client->open(connect_request(), false);
    Stream theirs = co_await pair.accept();
    const std::string big = pattern_of(40'000);
    std::string expected;
    for (int i = 0; i < 5; ++i) {
      CHECK(co_await mine->write(bytes_of("written"), soon()));
      CHECK(co_await mine->pass(bytes_of(big), soon()));
      CHECK(co_await mine->pass(bytes_of("short"), soon()));
      expected += "written" + big + "short";
    }
    CHECK(mine->finish());
    CHECK((co_await read_all(&theirs) == expected));
    co_await pair.stop();
  });
}

TEST_CASE("passing waits while the window is closed, and holds nothing but what it was given") {
  run_loop([]() -> Task<> {
    Options small = Options::server();
    small.stream_window_bytes = 100'000;
    Pair pair;
    pair.over_memory(Options::client(), small);
    auto mine = pair.client->open(connect_request(), false);
    Stream theirs = co_await pair.accept();
    co_await settle();  // the window is known
    bool done = false;
    Scope scope;
    scope.spawn(pass_pattern, &*mine, 1'000'000UL, &done);
    co_await settle();
    CHECK_FALSE(done);
    CHECK(pair.server->buffered_bytes() == 100'000);
    CHECK(pair.client->buffered_bytes() <= 200'001);
    std::string got;
    scope.spawn(read_into, &theirs, &got);
    co_await scope.join();
    CHECK(done);
    CHECK((got == pattern_of(1'000'000)));
    co_await pair.stop();
  });
}

TEST_CASE("who is stopped, or too late, while passing leaves bytes that may die at once") {
  run_loop([]() -> Task<> {
    for (const bool stopped : {true, false}) {
      Options small = Options::server();
      small.stream_window_bytes = 20'000;
      Pair pair;
      pair.over_memory(Options::client(), small);
      auto mine = pair.client->open(connect_request(), false);
      Stream theirs = co_await pair.accept();
      co_await settle();
      Result<void> result;
      Scope scope;
      scope.spawn(
          [](Stream* stream, bool forever, Result<void>* out) -> Task<> {
            const auto bytes = std::make_unique<std::string>(pattern_of(60'000));
            *out = co_await stream->pass(bytes_of(*bytes),
                                         forever ? io::kNoDeadline : in(milliseconds(10)));
          },
          &*mine, stopped, &result);
      co_await settle();
      if (stopped) scope.request_stop();
      co_await scope.join();
      REQUIRE_FALSE(result);
      CHECK(result.error().code == (stopped ? ErrorCode::kCancelled : ErrorCode::kTimeout));
      // What it left is still sent, from a copy.
      CHECK(mine->finish());
      CHECK((co_await read_all(&theirs) == pattern_of(60'000)));
      co_await pair.stop();
    }
  });
}

TEST_CASE("a stream that is reset, or whose connection dies, ends who passes to it") {
  run_loop([]() -> Task<> {
    for (const bool reset : {true, false}) {
      Options small = Options::server();
      small.stream_window_bytes = 20'000;
      Pair pair;
      pair.over_memory(Options::client(), small);
      auto mine = pair.client->open(connect_request(), false);
      Stream theirs = co_await pair.accept();
      co_await settle();
      bool done = false;
      Scope scope;
      scope.spawn(pass_pattern, &*mine, 1'000'000UL, &done);
      co_await settle();
      if (reset) {
        theirs.reset(kCancel);
      } else {
        pair.client->abort(ErrorCode::kCancelled);
      }
      co_await scope.join();
      CHECK_FALSE(done);
      CHECK_FALSE(co_await mine->pass(bytes_of("late"), soon()));
      CHECK(pair.client->buffered_bytes() == 0);
      co_await pair.stop();
    }
  });
}
