// What a client says before the waypoint knows what it speaks: the decision does not depend on how
// the bytes were cut, nor on when nothing came; it is made within a bound; nothing is lost or read
// twice; and what our reader takes for a request is not passed on as TCP. Input: a byte that
// chooses the cut, one for what else happens, then all that the client says.
#include "waypoint/entry/first_bytes.hpp"

#include <algorithm>
#include <coroutine>
#include <memory>
#include <string>
#include <utility>

#include "culvert/http/http1_reader.hpp"
#include "script.hpp"
#include "waypoint/entry/protocol.hpp"

using namespace culvert;
using fuzz::require;
using http::Detected;
using proxy::StreamPart;
using waypoint::FirstBytes;

namespace {

/// What happens beside the bytes.
struct Course {
  bool ends = false;     // the client's direction, behind them; else it falls silent
  bool silent = false;   // nothing comes in time before each part
  bool nothing = false;  // who waits is woken for nothing before each part
};

/// The client's end, as connect.cpp and edge.cpp have it.
class Client {
 public:
  Client(std::span<const std::uint8_t> says, std::size_t part, Course course)
      : rest_(says), part_(part), course_(course) {}

  struct Ready {
    Result<StreamPart> part;
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    Result<StreamPart> await_resume() { return part; }
  };
  Ready read(io::Deadline) {
    const int before = std::exchange(waits_, waits_ + 1);
    if (course_.silent && before == 0) return {fail(ErrorCode::kTimeout, "nothing came")};
    if (course_.nothing && before <= 1) {
      waits_ = 2;
      return {StreamPart{.bytes = {}, .nothing = true}};
    }
    waits_ = 0;
    if (rest_.empty() && !course_.ends) return {fail(ErrorCode::kTimeout, "it said all")};
    const auto next = rest_.first(std::min(part_, rest_.size()));
    rest_ = rest_.subspan(next.size());
    ended_ = next.empty();
    before_last_ = given_;
    given_ += next.size();
    return {StreamPart{.bytes = next}};
  }
  void passed_on(const StreamPart& part) { passed_on_ += part.bytes.size(); }

  /// Something is still to come.
  bool has_more() const { return !rest_.empty() || (course_.ends && !ended_); }
  std::span<const std::uint8_t> rest() const { return rest_; }
  std::size_t given() const { return given_; }
  std::size_t before_last() const { return before_last_; }  // was given
  std::size_t passed_on() const { return passed_on_; }

 private:
  std::span<const std::uint8_t> rest_;
  const std::size_t part_;
  const Course course_;
  int waits_ = 0;  // since the last part
  bool ended_ = false;
  std::size_t given_ = 0, before_last_ = 0, passed_on_ = 0;
};

/// Each part has all before it looked at again.
constexpr std::size_t kMaxParts = 128;

Detected detected(std::span<const std::uint8_t> bytes, bool ended) {
  return waypoint::detect(fuzz::text_of(bytes), ended);
}

/// Of all that it says: its end is asked for only where the bytes have not told.
Detected decision(std::span<const std::uint8_t> says, bool ends) {
  const auto told = detected(says, false);
  return told == Detected::kMore && ends ? detected(says, true) : told;
}

io::Task<> check_cut(std::span<const std::uint8_t> says, std::size_t part, Course course) {
  Client client(says, part, course);
  FirstBytes first;
  while (first.speaks == Detected::kMore && client.has_more()) {
    const auto read = co_await waypoint::read_first_bytes(&client, &first, io::kNoDeadline);
    require(read.has_value(), "silence is no failure");
  }
  const auto read = says.first(client.given());
  require(fuzz::text_of(read) == first.bytes, "what was read is kept, in order");
  require(client.passed_on() == client.given(), "and counts as taken");
  require(detected(read.first(client.before_last()), false) == Detected::kMore,
          "no more is read than tells");
  require(client.before_last() < http::kMaxDetectBytes, "and it tells within the bound");
  require(first.speaks == decision(says, course.ends), "the cut decides nothing");
  if (first.speaks == Detected::kMore) {
    require(first.bytes.size() == says.size() && first.ended == course.ends, "all of it was read");
    require(first.bytes.size() < http::kMaxDetectBytes, "what does not tell is short");
  }
  std::string served;
  waypoint::ReadBytes bytes(
      std::move(first.bytes),
      std::make_unique<fuzz::Script>(client.rest(), part, fuzz::Turns::kAtTheEnd));
  while (true) {
    const auto next = co_await bytes.read(io::kNoDeadline);
    require(next.has_value(), "what was read can be read again");
    if (next->empty()) break;
    served += fuzz::text_of(*next);
  }
  require(served == fuzz::text_of(says), "whoever serves it gets all that was said, once");
}

/// It would be answered as a request: as TCP it would pass the rules by.
bool is_request(std::span<const std::uint8_t> says) {
  http::RequestReader reader;
  while (true) {
    const auto piece = reader.read(says);
    if (!piece || piece->found == http::Found::kMore) return false;
    if (piece->found == http::Found::kHead) return true;
    says = says.subspan(piece->eaten);
  }
}

io::Task<> check(io::Loop* loop, std::span<const std::uint8_t> says, std::size_t part) {
  const unsigned what = fuzz::take_byte(says);
  part = std::max(part, says.size() / kMaxParts);
  const Course course{(what & 1U) != 0, (what & 2U) != 0, (what & 4U) != 0};
  co_await check_cut(says, part, course);
  co_await check_cut(says, std::max<std::size_t>(says.size(), 1), course);
  co_await check_cut(says, part, {.ends = course.ends});
  const auto speaks = decision(says, course.ends);
  if (is_request(says)) {
    require(
        waypoint::decide_protocol(mesh::AppProtocol::kUnknown, speaks) == waypoint::Speaks::kHttp1,
        "a request is served as one");
  }
  loop->stop();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run_script(data, size, check);
}
