// HTTP/1.1 of an upstream into the waypoint's connection, request after request while it may be
// used again. Input: a byte that chooses the cut, one that chooses the first request, then what the
// upstream says, at each kTurnEnd once it was asked more.
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
      HttpVersion::kHttp1,
      std::make_unique<fuzz::Peer>(std::move(says), false, part, turns, written), {}, owner);
  io::Scope scope;
  scope.spawn([](waypoint::ClientConnection* one) -> io::Task<> { co_await one->run(); },
              connection.get());
  for (std::size_t i = 0; i < fuzz::kRequests && connection->can_open(); ++i) {
    co_await fuzz::ask(&out[i], connection->open(), fuzz::request_of(first + i, false));
    require(connection->active() == 0, "an exchange that is gone leaves nothing");
    require(connection->can_open() || connection->over(), "a connection is of use, or over");
    require(i == 0 || out[i - 1].whole, "only what ended in order is used again");
  }
  connection->retire();
  co_await scope.join();
  require(connection->over(), "a connection that is left alone ends");
  co_return out;
}

// What comes unasked while a connection is idle ends it, and when that is seen depends on the cut:
// the first request is the one that has no such past.
io::Task<> check(io::Loop* loop, std::span<const std::uint8_t> input, std::size_t part) {
  const std::size_t first = fuzz::take_byte(input);
  const auto says = fuzz::split(input, fuzz::kRequests);
  const auto whole = co_await talk(says, first, input.size() + 1, Turns::kAtTheEnd);
  const auto parts = co_await talk(says, first, part, Turns::kAtTheEnd);
  const auto slow = co_await talk(says, first, part, Turns::kBetween);
  fuzz::compare(whole[0], parts[0]);
  fuzz::compare(whole[0], slow[0]);
  loop->stop();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run_script(data, size, check);
}
