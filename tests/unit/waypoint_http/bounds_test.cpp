// Bounds of a client's connection: windows of HTTP/2, and how long its last answer is waited with.
#include "../exchange/clock.hpp"
#include "server_pair.hpp"
#include "waypoint/http/http2_windows.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::testing;

namespace {

constexpr std::size_t kFrameHeaderBytes = 9;
constexpr std::string_view kAsksOnce = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < 4; ++i) out = out << 8U | static_cast<std::uint8_t>(bytes[at + i]);
  return out;
}

// The value of a setting in the server's first frame; 0: it does not say.
std::uint32_t setting(std::string_view heard, std::uint8_t name) {
  const std::size_t size = static_cast<std::uint8_t>(heard[2]);
  for (std::size_t at = kFrameHeaderBytes; at < kFrameHeaderBytes + size; at += 6) {
    if (heard[at] == 0 && static_cast<std::uint8_t>(heard[at + 1]) == name) {
      return number_at(heard, at + 2);
    }
  }
  return 0;
}

Task<> ask_and_stay() {
  Echo echo;
  ServerPair pair(echo);
  pair.start();
  pair.say(kAsksOnce);
  const auto began = io::Loop::current().now();
  while (!pair.over) co_await io::sleep_until(io::in(milliseconds(100)));
  const auto took = io::Loop::current().now() - began;
  CHECK(echo.ended == 1);
  CHECK(took >= kLingerTimeout);
  CHECK(took < kLingerTimeout + seconds(1));
  co_await pair.scope.join();
}

}  // namespace

TEST_CASE("a client of HTTP/2 is told the windows and streams that it has") {
  run_loop([]() -> Task<> {
    Echo echo;
    ServerPair pair(echo, HttpVersion::kHttp2);
    pair.start();
    co_await settle();
    const auto& heard = pair.heard();
    REQUIRE(heard.size() > kFrameHeaderBytes);
    CHECK(setting(heard, 4) == kStreamWindowBytes);
    CHECK(setting(heard, 3) == pair.options.max_streams);
    // WINDOW_UPDATE of the connection (RFC 9113 section 6.9) brings it from 65,535.
    const std::size_t next = kFrameHeaderBytes + static_cast<std::uint8_t>(heard[2]);
    REQUIRE(heard.size() >= next + kFrameHeaderBytes + 4);
    CHECK(heard[next + 3] == 8);
    CHECK(number_at(heard, next + kFrameHeaderBytes) == kConnectionWindowBytes - 65'535);
    pair.close();
    co_await pair.finish();
  });
}

TEST_CASE("a client that does not close behind its last answer is left after a while") {
  test::simulate(ask_and_stay);
}
