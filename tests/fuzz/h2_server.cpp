// HTTP/2 bytes into a server connection: it ends, whatever comes; no handler outlives it; and how
// the bytes were cut changes nothing. Input: a byte that chooses the cut, then the client's bytes,
// the preface too.
#include <algorithm>
#include <map>
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

struct Request {
  h2::Headers fields;
  std::string body;
  bool whole = false;  // END_STREAM was seen
  bool operator==(const Request&) const = default;
};

struct Outcome {
  std::map<std::int32_t, Request> requests;
  int running = 0;
};

// Answers every request with its own body.
io::Task<> echo(Outcome* outcome, h2::Stream stream) {
  ++outcome->running;
  auto& request = outcome->requests[stream.id()];
  request.fields = stream.request();
  (void)stream.send_headers({{":status", "200"}}, false);
  while (true) {
    const auto part = co_await stream.read(io::kNoDeadline);
    if (!part) break;
    request.whole = part->empty();
    if (request.whole) break;
    request.body.append(fuzz::text_of(*part));
    if (!co_await stream.write(*part, io::kNoDeadline)) continue;
  }
  (void)stream.finish();
  --outcome->running;
}

io::Task<Outcome> serve(std::span<const std::uint8_t> input, std::size_t part, Turns turns) {
  Outcome outcome;
  io::Scope streams;
  const auto connection = h2::Connection::server(
      std::make_unique<Script>(input, part, turns), h2::Options::server(),
      [&](h2::Stream stream) { streams.spawn(echo, &outcome, std::move(stream)); });
  (void)co_await connection->run();
  require(connection->active_streams() == 0, "no stream outlives its connection");
  co_await streams.join();
  require(outcome.running == 0, "every handler ends");
  require(connection->buffered_bytes() == 0, "a connection that is over holds nothing");
  co_return outcome;
}

void check_request(const Request& request) {
  require(h2::find(request.fields, ":method") != nullptr, "a request has a method");
  require(request.fields.size() <= h2::kMaxHeaderFields, "its fields are bounded");
  for (const auto& field : request.fields) {
    require(std::ranges::none_of(field.name, [](char c) { return c >= 'A' && c <= 'Z'; }),
            "field names are in lower case");
    require(field.value.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos,
            "no field breaks a line");
  }
}

// Streams that end within the same bytes as they begin reach no handler, in parts some do; and how
// a connection ends may differ, as its end can overtake what was about to be sent.
void compare(const Outcome& whole, const Outcome& parts) {
  for (const auto& [id, request] : whole.requests) {
    check_request(request);
    const auto same = parts.requests.find(id);
    require(same != parts.requests.end() && same->second == request, "a request is the same");
  }
}

io::Task<> check(io::Loop* loop, std::span<const std::uint8_t> input, std::size_t part) {
  const auto whole = co_await serve(input, input.size() + 1, Turns::kAtTheEnd);
  compare(whole, co_await serve(input, part, Turns::kAtTheEnd));
  (void)co_await serve(input, part, Turns::kBetween);
  loop->stop();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run_script(data, size, check);
}
