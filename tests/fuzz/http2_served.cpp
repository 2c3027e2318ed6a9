// HTTP/2 of a client into the waypoint's connection: whatever comes, it ends with all its handlers,
// and requests are the same however the bytes were cut. Input: a byte that chooses the cut, then
// what the client says, the preface too; at each kTurnEnd once something was answered.
#include "served.hpp"

using namespace culvert;
using fuzz::require;
using fuzz::Served;
using fuzz::Turns;
using waypoint::HttpVersion;

namespace {

constexpr std::size_t kMaxTurns = 4;

bool same(const fuzz::ServedRequest& a, const fuzz::ServedRequest& b) {
  if (a.head != b.head) return false;
  if (a.whole && b.whole && (a.body != b.body || a.trailers != b.trailers)) return false;
  return a.body.starts_with(b.body) || b.body.starts_with(a.body);
}

// Streams that end within the same bytes as they begin reach no handler, in parts some do.
void compare(const Served& whole, const Served& parts) {
  for (const auto& request : whole.requests) {
    require(
        std::ranges::any_of(parts.requests, [&](const auto& one) { return same(request, one); }),
        "a request is the same however its bytes were cut");
  }
}

io::Task<> check(io::Loop* loop, std::span<const std::uint8_t> input, std::size_t part) {
  const auto says = fuzz::split(input, kMaxTurns);
  const auto whole =
      co_await fuzz::serve(HttpVersion::kHttp2, says, input.size() + 1, Turns::kAtTheEnd);
  compare(whole, co_await fuzz::serve(HttpVersion::kHttp2, says, part, Turns::kAtTheEnd));
  (void)co_await fuzz::serve(HttpVersion::kHttp2, says, part, Turns::kBetween);
  loop->stop();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run_script(data, size, check);
}
