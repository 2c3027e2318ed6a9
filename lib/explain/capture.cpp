#include "culvert/explain/capture.hpp"

#include <algorithm>
#include <bit>

#include "../../bpf/verdict.h"

namespace culvert::explain {
namespace {

cv_address to_abi(const IpAddress& ip) {
  return std::bit_cast<cv_address>(ip.bytes);
}

cv_pod_value entry_of(const Capture& pod) {
  cv_pod_value out{};
  if (pod.ready) out.flags |= CV_POD_READY;
  if (pod.ip4) {
    out.ip4 = to_abi(*pod.ip4);
    out.flags |= CV_POD_HAS_V4;
  }
  if (pod.ip6) {
    out.ip6 = to_abi(*pod.ip6);
    out.flags |= CV_POD_HAS_V6;
  }
  return out;
}

constexpr struct {
  const char* name;
  const char* text;
} kVerdicts[] = {
#define CV_VERDICT_TEXT(name, hook, text) {#name, hook ": " text},
    CV_COUNTER_TABLE(CV_VERDICT_TEXT)
#undef CV_VERDICT_TEXT
};

}  // namespace

cv_counter_id connect_verdict(const Capture& pod, const SocketAddress& destination) {
  cv_connect c{};
  c.to = to_abi(destination.ip);
  c.to_port = destination.port;
  c.bound = to_abi(destination.ip.is_v4() ? IpAddress::v4(0, 0, 0, 0) : IpAddress{});
  c.excluded_range = std::ranges::any_of(
      pod.excluded_ranges, [&](const IpPrefix& range) { return range.contains(destination.ip); });
  c.excluded_port =
      std::ranges::find(pod.excluded_ports, destination.port) != pod.excluded_ports.end();
  const cv_pod_value entry = entry_of(pod);
  return cv_connect_verdict(&c, &entry, pod.block_first);
}

int connect_errno(cv_counter_id verdict) {
  return -cv_connect_errno(verdict);
}

cv_counter_id arrival_verdict(const Capture& pod, const IpAddress& from, const SocketAddress& to) {
  cv_arrival arrival{};
  arrival.tuple.source = to_abi(from);
  arrival.tuple.target = to_abi(to.ip);
  arrival.tuple.target_port = to.port;
  const cv_counter_id verdict = cv_arrival_verdict(&arrival, pod.block_first);
  const bool passed = verdict == CV_PASSED_LOCAL || verdict == CV_PASSED_KUBELET;
  return passed || pod.listeners ? verdict : CV_DROPPED_NO_LISTENER;
}

const char* verdict_name(cv_counter_id verdict) {
  return kVerdicts[verdict].name;
}

std::string verdict_text(cv_counter_id verdict) {
  return kVerdicts[verdict].text;
}

}  // namespace culvert::explain
