// HTTP/1.1 of a client into the waypoint's connection: requests come out in their order, the same
// however the bytes were cut, and each gets one answer, which is well-formed. Input: a byte that
// chooses the cut, then what the client says, at each kTurnEnd once it was answered.
#include "culvert/http/http1_reader.hpp"
#include "served.hpp"

using namespace culvert;
using fuzz::require;
using fuzz::Served;
using fuzz::Turns;
using waypoint::HttpVersion;

namespace {

constexpr std::size_t kMaxTurns = 4;

// What was written, read as its client would.
void check_answers(const Served& served) {
  http::ResponseReader reader;
  std::size_t answered = 0;
  const auto begin = [&] {
    const bool known = answered < served.requests.size();
    reader.next(known && served.requests[answered].method == "HEAD",
                known ? served.requests[answered].upgrade : std::string_view());
  };
  begin();
  std::span<const std::uint8_t> rest(reinterpret_cast<const std::uint8_t*>(served.answers.data()),
                                     served.answers.size());
  while (true) {
    const auto piece = reader.read(rest);
    require(piece.has_value(), "what is answered is well-formed");
    rest = rest.subspan(piece->eaten);
    if (piece->found == http::Found::kMore) break;
    if (piece->found != http::Found::kEnd) continue;
    if (reader.head().status == 101) return;  // what follows is not HTTP
    require(++answered <= served.requests.size() + 1, "no request has two answers");
    if (rest.empty()) break;
    begin();
  }
  require(rest.empty(), "nothing follows the last answer");
}

// How far the last request came depends on when the connection ended.
void compare(const Served& a, const Served& b) {
  const auto common = std::min(a.requests.size(), b.requests.size());
  require(std::max(a.requests.size(), b.requests.size()) - common <= 1, "requests are the same");
  for (std::size_t i = 0; i + 1 < common; ++i) {
    require(a.requests[i] == b.requests[i], "a request is the same however its bytes were cut");
  }
  for (std::size_t i = 0; i < common; ++i) {
    require(a.requests[i].head == b.requests[i].head, "and so is its head");
  }
}

io::Task<> check(io::Loop* loop, std::span<const std::uint8_t> input, std::size_t part) {
  const auto says = fuzz::split(input, kMaxTurns);
  const auto whole =
      co_await fuzz::serve(HttpVersion::kHttp1, says, input.size() + 1, Turns::kAtTheEnd);
  const auto parts = co_await fuzz::serve(HttpVersion::kHttp1, says, part, Turns::kAtTheEnd);
  const auto slow = co_await fuzz::serve(HttpVersion::kHttp1, says, part, Turns::kBetween);
  for (const auto* one : {&whole, &parts, &slow}) check_answers(*one);
  compare(whole, parts);
  compare(whole, slow);
  loop->stop();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run_script(data, size, check);
}
