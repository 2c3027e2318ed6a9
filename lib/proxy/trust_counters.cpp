#include "culvert/proxy/trust_counters.hpp"

namespace culvert::proxy {

TrustCounts TrustCounters::now() const {
  return {rechecked.load(), cut_by_policy.load(), refused_revoked.load(), ended_revoked.load()};
}

void TrustCounters::add(const TrustCounts& counts) {
  rechecked += counts[0];
  cut_by_policy += counts[1];
  refused_revoked += counts[2];
  ended_revoked += counts[3];
}

void TrustCounters::render(telemetry::PrometheusText& out) const {
  const auto counter = [&](const char* name, const char* help,
                           const std::atomic<std::uint64_t>& value) {
    out.family(name, help, telemetry::PrometheusText::Type::kCounter);
    out.sample("", value.load(std::memory_order_relaxed));
  };
  counter("culvert_policy_rechecks_total",
          "Live connections that were decided about again after a policy change.", rechecked);
  counter("culvert_policy_cuts_total", "Live connections that a policy change ended.",
          cut_by_policy);
  counter("istio_crl_policy_rejections_total",
          "Handshakes that were refused because a certificate was revoked.", refused_revoked);
  counter("culvert_crl_tunnels_ended_total",
          "Open tunnels that were ended because the peer's certificate was revoked.",
          ended_revoked);
}

}  // namespace culvert::proxy
