// Pickers: who gets how much.
#include "culvert/l7/balance.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

using namespace culvert::l7;

namespace {

constexpr int kDraws = 60'000;

template <class Pick>
std::vector<int> count(std::span<const EndpointLoad> endpoints, int draws, Pick pick) {
  std::vector<int> counts(endpoints.size());
  for (int i = 0; i < draws; ++i) ++counts[*pick(endpoints)];
  return counts;
}

}  // namespace

TEST_CASE("nobody there, nobody picked") {
  Random random(1);
  WeightedRoundRobin turns;
  CHECK_FALSE(pick_random({}, random));
  CHECK_FALSE(pick_least_request({}, random));
  CHECK_FALSE(turns.pick({}));
}

TEST_CASE("in turn: six requests over three endpoints hit each twice") {
  WeightedRoundRobin turns;
  const std::vector<EndpointLoad> three(3);
  CHECK(count(three, 6, [&](auto all) { return turns.pick(all); }) == std::vector{2, 2, 2});
  std::vector<std::size_t> order;
  for (int i = 0; i < 6; ++i) order.push_back(*turns.pick(three));
  CHECK(order == std::vector<std::size_t>{0, 1, 2, 0, 1, 2});
}

TEST_CASE("in turn by weight: exact in each round, and spread over it") {
  WeightedRoundRobin turns;
  const std::vector<EndpointLoad> weighted = {{5}, {1}, {1}};
  std::string order;
  for (int i = 0; i < 14; ++i) order += static_cast<char>('a' + *turns.pick(weighted));
  CHECK(order == "aabacaaaabacaa");
  // Another set starts over.
  const std::vector<EndpointLoad> two = {{1}, {2}};
  CHECK(count(two, 300, [&](auto all) { return turns.pick(all); }) == std::vector{100, 200});
}

TEST_CASE("at random, by weight") {
  Random random(7);
  const std::vector<EndpointLoad> equal(3);
  for (const auto n : count(equal, kDraws, [&](auto all) { return pick_random(all, random); })) {
    CHECK(std::abs(n - kDraws / 3) < 4 * 116);
  }
  const std::vector<EndpointLoad> weighted = {{1}, {2}, {3}};
  const auto counts = count(weighted, kDraws, [&](auto all) { return pick_random(all, random); });
  CHECK(std::abs(counts[0] - kDraws / 6) < 4 * 92);
  CHECK(std::abs(counts[1] - kDraws / 3) < 4 * 116);
}

TEST_CASE("least requests: of two drawn the less busy, never the same twice") {
  Random random(7);
  const std::vector<EndpointLoad> two = {{1, 5}, {1, 4}};
  CHECK(count(two, 1000, [&](auto all) { return pick_least_request(all, random); }) ==
        std::vector{0, 1000});
  // The busiest of three is taken only if it is drawn twice, which it is not.
  const std::vector<EndpointLoad> three = {{1, 9}, {1, 0}, {1, 0}};
  CHECK(count(three, 1000, [&](auto all) { return pick_least_request(all, random); })[0] == 0);
  const std::vector<EndpointLoad> idle(3);
  for (const auto n :
       count(idle, kDraws, [&](auto all) { return pick_least_request(all, random); })) {
    CHECK(std::abs(n - kDraws / 3) < 4 * 116);
  }
}

TEST_CASE("least requests by weight: a share of weight over load") {
  Random random(7);
  const std::vector<EndpointLoad> loaded = {{2, 0}, {1, 0}, {2, 1}};  // 2, 1, 1
  const auto counts =
      count(loaded, kDraws, [&](auto all) { return pick_least_request(all, random); });
  CHECK(std::abs(counts[0] - kDraws / 2) < 4 * 123);
  CHECK(std::abs(counts[1] - kDraws / 4) < 4 * 106);
}
