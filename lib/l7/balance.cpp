#include "culvert/l7/balance.hpp"

#include <algorithm>
#include <numeric>

namespace culvert::l7 {
namespace {

bool equal_weights(std::span<const EndpointLoad> endpoints) {
  return std::ranges::all_of(
      endpoints, [&](const EndpointLoad& e) { return e.weight == endpoints[0].weight; });
}

/// In 1/1024 of a weight, so that a share of a weight is a whole number.
std::uint64_t share_of_load(const EndpointLoad& endpoint) {
  constexpr std::uint64_t kScale = 1024;
  return std::max<std::uint64_t>(
      1, kScale * endpoint.weight / (std::uint64_t{endpoint.active_requests} + 1));
}

template <class Weight>
std::size_t draw(std::span<const EndpointLoad> endpoints, Random& random, Weight weight) {
  std::uint64_t total = 0;
  for (const auto& endpoint : endpoints) total += weight(endpoint);
  auto drawn = random.next() % total;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const auto own = weight(endpoints[i]);
    if (drawn < own) return i;
    drawn -= own;
  }
  return endpoints.size() - 1;
}

}  // namespace

std::optional<std::size_t> pick_random(std::span<const EndpointLoad> endpoints, Random& random) {
  if (endpoints.empty()) return std::nullopt;
  if (equal_weights(endpoints)) return random.below(endpoints.size());
  return draw(endpoints, random, [](const EndpointLoad& e) { return std::uint64_t{e.weight}; });
}

std::optional<std::size_t> pick_least_request(std::span<const EndpointLoad> endpoints,
                                              Random& random) {
  if (endpoints.empty()) return std::nullopt;
  if (endpoints.size() == 1) return 0;
  if (!equal_weights(endpoints)) return draw(endpoints, random, share_of_load);
  const std::size_t first = random.below(endpoints.size());
  std::size_t second = random.below(endpoints.size() - 1);
  if (second >= first) ++second;
  return endpoints[second].active_requests < endpoints[first].active_requests ? second : first;
}

std::optional<std::size_t> WeightedRoundRobin::pick(std::span<const EndpointLoad> endpoints) {
  if (endpoints.empty()) return std::nullopt;
  const bool same = std::ranges::equal(endpoints, turns_, {}, &EndpointLoad::weight, &Turn::weight);
  if (!same) {
    turns_.clear();
    for (const auto& endpoint : endpoints) turns_.push_back({endpoint.weight, 0});
  }
  // Each gains its weight, the richest goes and pays the whole round.
  std::int64_t total = 0;
  std::size_t richest = 0;
  for (std::size_t i = 0; i < turns_.size(); ++i) {
    turns_[i].current += turns_[i].weight;
    total += turns_[i].weight;
    if (turns_[i].current > turns_[richest].current) richest = i;
  }
  turns_[richest].current -= total;
  return richest;
}

}  // namespace culvert::l7
