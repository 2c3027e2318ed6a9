// What deciding again and revocation did, counted by every worker and read by scrapes. Any thread;
// these events are rare, so that one set for the process does.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "culvert/telemetry/prometheus_text.hpp"

namespace culvert::proxy {

/// The members of TrustCounters in their order.
using TrustCounts = std::array<std::uint64_t, 4>;

struct TrustCounters {
  std::atomic<std::uint64_t> rechecked{0};        // live connections that were decided about again
  std::atomic<std::uint64_t> cut_by_policy{0};    // those that were refused then
  std::atomic<std::uint64_t> refused_revoked{0};  // handshakes, either role
  std::atomic<std::uint64_t> ended_revoked{0};    // tunnels that were open

  TrustCounts now() const;
  void add(const TrustCounts& counts);
  /// culvert_policy_rechecks_total, culvert_policy_cuts_total, istio_crl_policy_rejections_total,
  /// culvert_crl_tunnels_ended_total.
  void render(telemetry::PrometheusText& out) const;
};

}  // namespace culvert::proxy
