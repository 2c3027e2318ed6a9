// HTTP/2 of an upstream into the waypoint's connection, with three requests at once. Input: a byte
// that chooses the cut, one that chooses the first request, then what the upstream says, at each
// kTurnEnd once more was written.
#include "asked.hpp"

using namespace culvert;
using fuzz::AllAsked;
using fuzz::require;
using fuzz::Turns;
using waypoint::HttpVersion;

namespace {

io::Task<AllAsked> talk(fuzz::Says says, std::size_t first, std::size_t part, Turns turns) {
  AllAsked out;
  fuzz::NoOwner owner;
  std::string written;
  const auto connection = waypoint::ClientConnection::make(
      HttpVersion::kHttp2,
      std::make_unique<fuzz::Peer>(std::move(says), false, part, turns, written), {}, owner);
  io::Scope scope;
  io::Scope asking;
  scope.spawn([](waypoint::ClientConnection* one) -> io::Task<> { co_await one->run(); },
              connection.get());
  for (std::size_t i = 0; i < fuzz::kRequests; ++i) {
    require(connection->can_open(), "a new connection takes requests");
    asking.spawn(fuzz::ask, &out[i], connection->open(), fuzz::request_of(first + i, true));
  }
  co_await asking.join();
  require(connection->active() == 0, "an exchange that is gone leaves nothing");
  connection->retire();
  co_await scope.join();
  require(connection->over() && !connection->can_open(), "a connection that is left alone ends");
  for (const auto& one : out) require(one.ended, "every request ends");
  co_return out;
}

io::Task<> check(io::Loop* loop, std::span<const std::uint8_t> input, std::size_t part) {
  const std::size_t first = fuzz::take_byte(input);
  const auto says = fuzz::split(input, fuzz::kRequests);
  const auto whole = co_await talk(says, first, input.size() + 1, Turns::kAtTheEnd);
  const auto parts = co_await talk(says, first, part, Turns::kAtTheEnd);
  const auto slow = co_await talk(says, first, part, Turns::kBetween);
  for (std::size_t i = 0; i < fuzz::kRequests; ++i) {
    fuzz::compare(whole[i], parts[i]);
    fuzz::compare(whole[i], slow[i]);
  }
  loop->stop();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run_script(data, size, check);
}
