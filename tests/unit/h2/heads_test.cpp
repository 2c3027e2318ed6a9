// Header blocks that wait to be packed: their text is the session's until then.
#include "pair.hpp"

using namespace culvert;
using namespace culvert::h2;
using namespace culvert::h2::testing;

namespace {

constexpr int kStreams = 60;

std::string long_text(char c, int number) {
  return std::string(300, c) + std::to_string(number);
}

Headers numbered_request(int number) {
  Headers head = connect_request();
  head.push_back({"x-number", long_text('q', number)});
  return head;
}

Headers numbered_answer(int number) {
  return {{":status", "200"}, {"x-answer", long_text('a', number)}};
}

// All requests are made before the first is packed, all answers likewise, and what they were made
// of is gone by then.
Task<> exchange_many(Pair* pair) {
  std::vector<Stream> mine;
  std::vector<Stream> theirs;
  for (int i = 0; i < kStreams; ++i) {
    auto opened = pair->client->open(numbered_request(i), true);
    REQUIRE(opened.has_value());
    mine.push_back(std::move(*opened));
  }
  for (int i = 0; i < kStreams; ++i) {
    theirs.push_back(co_await pair->accept());
    REQUIRE(bool(theirs.back()));
    CHECK(theirs.back().request() == numbered_request(i));
  }
  for (int i = 0; i < kStreams; ++i) {
    CHECK(theirs[static_cast<std::size_t>(i)].send_headers(numbered_answer(i), true).has_value());
  }
  for (int i = 0; i < kStreams; ++i) {
    const auto answer = co_await mine[static_cast<std::size_t>(i)].response(soon());
    REQUIRE(answer.has_value());
    CHECK(**answer == numbered_answer(i));
  }
}

}  // namespace

TEST_CASE("header blocks that were given at once arrive whole, again and again") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_memory();
    for (int round = 0; round < 3; ++round) co_await exchange_many(&pair);
    co_await pair.stop();
  });
}

TEST_CASE("a stream that is dropped before its head was packed does not harm the others'") {
  run_loop([]() -> Task<> {
    Pair pair;
    pair.over_memory();
    {
      auto dropped = pair.client->open(numbered_request(0), false);
      REQUIRE(dropped.has_value());
    }
    auto kept = pair.client->open(numbered_request(1), true);
    REQUIRE(kept.has_value());
    // The dropped one's head may come before its reset, or neither.
    Stream theirs = co_await pair.accept();
    if (theirs.request() == numbered_request(0)) theirs = co_await pair.accept();
    CHECK(theirs.request() == numbered_request(1));
    CHECK(theirs.send_headers(numbered_answer(1), true).has_value());
    const auto answer = co_await kept->response(soon());
    REQUIRE(answer.has_value());
    CHECK(**answer == numbered_answer(1));
    co_await pair.stop();
  });
}
