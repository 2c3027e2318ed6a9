// Hostile bytes into a server's connection: each smuggling row gets its status, and whatever comes,
// the connection ends, handlers end with it, and how the bytes were cut decides nothing.
#include <random>

#include "../http/refused_rows.hpp"
#include "server_pair.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::testing;

namespace {

struct Outcome {
  std::string heard;
  std::vector<std::string> seen;
  std::vector<std::string> refused;
};

// The client says all of it in parts of `step` bytes, and closes when the server has or nothing
// more can come.
Task<> talk(std::string_view said, std::size_t step, Outcome* out) {
  Echo echo;
  ServerPair pair(echo);
  pair.options.head_timeout = pair.options.idle_timeout = pair.options.stream_idle_timeout =
      milliseconds(5);
  pair.to_server->max_read = step;
  pair.say(said);
  pair.start();
  co_await pair.finish();
  CHECK(pair.server->active_requests() == 0);
  *out = {pair.heard(), echo.seen, pair.refused};
}

Outcome outcome_of(std::string_view said, std::size_t step) {
  Outcome out;
  run_loop(talk, said, step, &out);
  return out;
}

constexpr std::string_view kTalk =
    "GET /1 HTTP/1.1\r\nHost: web\r\n\r\n"
    "POST /2 HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    "POST /3 HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n0\r\nT: u\r\n\r\n"
    "GET /4 HTTP/1.1\r\nHost: web\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

}  // namespace

TEST_CASE("each message that is refused gets its status and a close, and no handler sees it") {
  for (const auto& row : http::testing::refused_start_lines()) {
    CAPTURE(row.refusal.text);
    const auto out = outcome_of(row.bytes, SIZE_MAX);
    CHECK(out.heard.starts_with(fmt::format("HTTP/1.1 {} ", row.refusal.status)));
    CHECK(out.heard.ends_with("connection: close\r\ncontent-length: 0\r\n\r\n"));
    CHECK(out.refused == std::vector<std::string>{row.refusal.text});
    CHECK(out.seen.empty());
  }
}

TEST_CASE("changed bytes end in order, and requests are the same however they are cut") {
  std::mt19937 random(20260101);
  for (int round = 0; round < 300; ++round) {
    std::string said(kTalk);
    for (unsigned changes = random() % 4; changes > 0; --changes) {
      const auto at = random() % said.size();
      switch (random() % 3) {
        case 0:
          said[at] = static_cast<char>(random());
          break;
        case 1:
          said.erase(at, 1 + random() % 8);
          break;
        default:
          said.insert(at, said.substr(random() % said.size(), random() % 20));
      }
    }
    CAPTURE(said);
    const auto whole = outcome_of(said, SIZE_MAX);
    const auto parts = outcome_of(said, 1 + random() % 9);
    // How far the last one came depends on time.
    const auto common = std::min(whole.seen.size(), parts.seen.size());
    REQUIRE(std::max(whole.seen.size(), parts.seen.size()) - common <= 1);
    for (std::size_t i = 0; i + 1 < common; ++i) CHECK(whole.seen[i] == parts.seen[i]);
    CHECK(whole.refused == parts.refused);
  }
}
