// HTTP/2 bytes of a server into a client connection, as ztunnel has it to another node: it ends,
// whatever comes; no waiter outlives it; and how the bytes were cut changes nothing. Input: a byte
// that chooses the cut, then the server's bytes.
#include <array>
#include <memory>
#include <string>

#include "culvert/h2/connection.hpp"
#include "property.hpp"
#include "script.hpp"

using namespace culvert;
using fuzz::require;
using fuzz::Script;
using fuzz::Turns;

namespace {

constexpr std::size_t kRequests = 3;

struct Answer {
  h2::Headers fields;
  std::string body;
  h2::Headers trailers;
  bool answered = false;
  bool whole = false;  // END_STREAM was seen
  bool ended = false;  // its fiber
};
using Outcome = std::array<Answer, kRequests>;

io::Task<> ask(Answer* answer, h2::Stream stream) {
  const auto response = co_await stream.response(io::kNoDeadline);
  if (response) {
    answer->answered = true;
    answer->fields = **response;
    while (true) {
      const auto part = co_await stream.read(io::kNoDeadline);
      if (!part) break;
      answer->whole = part->empty();
      if (answer->whole) break;
      answer->body.append(fuzz::text_of(*part));
      if (!co_await stream.write(*part, io::kNoDeadline)) continue;
    }
    answer->trailers = stream.trailers();
  }
  answer->ended = true;
}

io::Task<Outcome> talk(std::span<const std::uint8_t> input, std::size_t part, Turns turns) {
  Outcome outcome;
  io::Scope streams;
  const auto connection =
      h2::Connection::client(std::make_unique<Script>(input, part, turns), h2::Options::client());
  for (auto& answer : outcome) {
    auto stream = connection->open({{":method", "CONNECT"}, {":authority", "a:1"}}, false);
    require(stream.has_value(), "a new connection takes requests");
    streams.spawn(ask, &answer, std::move(*stream));
  }
  (void)co_await connection->run();
  require(connection->active_streams() == 0, "no stream outlives its connection");
  require(connection->closed(), "a connection that is over is closed");
  require(!connection->open({{":method", "CONNECT"}, {":authority", "a:1"}}, false),
          "one that is over takes no request");
  co_await streams.join();
  for (const auto& answer : outcome) require(answer.ended, "every waiter is told");
  require(connection->buffered_bytes() == 0, "a connection that is over holds nothing");
  co_return outcome;
}

void check(const Answer& answer) {
  if (!answer.answered) {
    require(answer.body.empty(), "nobody reads before the answer");
    return;
  }
  const auto* status = h2::find(answer.fields, ":status");
  require(status != nullptr && !status->starts_with('1'), "an answer has a final status");
  for (const auto& fields : {answer.fields, answer.trailers}) {
    require(fields.size() <= h2::kMaxHeaderFields, "fields are bounded");
    for (const auto& field : fields) {
      require(field.value.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos,
              "no field breaks a line");
    }
  }
}

// A connection's end can overtake what was not yet read, so that less may arrive, but no other.
void compare(const Answer& a, const Answer& b) {
  check(a);
  check(b);
  if (a.answered && b.answered) require(a.fields == b.fields, "an answer is the same");
  if (a.whole && b.whole) require(a.body == b.body, "a whole body is the same");
  require(a.body.starts_with(b.body) || b.body.starts_with(a.body), "bytes are in their order");
}

io::Task<> check_all(io::Loop* loop, std::span<const std::uint8_t> input, std::size_t part) {
  const auto whole = co_await talk(input, input.size() + 1, Turns::kAtTheEnd);
  const auto parts = co_await talk(input, part, Turns::kAtTheEnd);
  const auto slow = co_await talk(input, part, Turns::kBetween);
  for (std::size_t i = 0; i < kRequests; ++i) {
    compare(whole[i], parts[i]);
    compare(whole[i], slow[i]);
  }
  loop->stop();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run_script(data, size, check_all);
}
