// Which endpoint of a cluster gets a request: pure pickers over what the caller knows of each
// endpoint. Endpoints that are ejected, not ready or already tried are not among them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "culvert/l7/random.hpp"

namespace culvert::l7 {

struct EndpointLoad {
  std::uint32_t weight = 1;           // > 0
  std::uint32_t active_requests = 0;  // of this worker
};

/// Index into `endpoints`; nullopt when there are none. An endpoint gets its weight's share.
std::optional<std::size_t> pick_random(std::span<const EndpointLoad> endpoints, Random& random);

/// Two different draws, of which the one with fewer active requests is taken, the first of equals
/// (Mitzenmacher 2001). With unequal weights, a draw by weight / (active requests + 1), as Envoy.
std::optional<std::size_t> pick_least_request(std::span<const EndpointLoad> endpoints,
                                              Random& random);

/// In turn; an endpoint of weight w comes w times a round, evenly spread (smooth weighted round
/// robin). One a worker and cluster; not thread safe. The order starts over when the number of
/// endpoints or a weight changes.
class WeightedRoundRobin {
 public:
  /// `endpoints` in an order that stays between calls.
  std::optional<std::size_t> pick(std::span<const EndpointLoad> endpoints);

 private:
  struct Turn {
    std::uint32_t weight = 0;
    std::int64_t current = 0;
  };
  std::vector<Turn> turns_;
};

}  // namespace culvert::l7
