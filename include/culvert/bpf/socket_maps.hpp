// ztunnel's view of the capture maps: it offers its listeners, reads where a captured connection
// wanted to go, and marks its own sockets. Uses bpf(2) on maps that the agent has pinned.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/bpf/netns.hpp"

namespace culvert::bpf {

/// Which connections a listener takes: the pod's captured outbound ones, inbound to port 15008, or
/// any other inbound.
enum class ListenerKind : std::uint8_t { kOutbound, kHbone, kPlaintext };
/// Slots of a (kind, family); sk_lookup picks one by source port, so all are to be filled.
inline constexpr unsigned kListenerSlots = 4;

/// A connection as the kernel measured it (bpf/health.h): sums are since it was established.
struct TcpHealth {
  std::uint32_t srtt_us = 0;     // smoothed round-trip time, the newest
  std::uint64_t rtt_sum_us = 0;  // of the smoothed, once a round trip
  std::uint32_t rtt_samples = 0;
  std::uint32_t segments = 0;       // sent with data, those sent again too
  std::uint32_t retransmits = 0;    // segments sent again
  std::uint64_t delivery_rate = 0;  // bytes a second, the newest
  std::uint64_t rate_sum = 0;       // of it, once a round trip
  std::uint32_t rate_samples = 0;
};

/// Move only; every call may be made from any thread.
class SocketMaps {
 public:
  /// Opens the maps pinned in `pin_dir`. kNotFound before the agent has pinned them, kInvalid when
  /// they follow another layout than this binary.
  static Result<SocketMaps> open(const std::string& pin_dir);

  /// Puts a listening TCP socket into a slot, replacing what was there. It must belong to the
  /// namespace, and be bound to an address of `family` (AF_INET or AF_INET6, that of the packets):
  /// 127.0.0.1 and ::1 in a pair. The kernel takes it out when it is closed; from then on
  /// connections that hash to the slot are refused. The map keeps no reference of its own to the
  /// descriptor. A listener for inbound connections is marked first, and with it all that it
  /// accepts from then on: the pod's guard knows them for ztunnel's.
  Result<void> set_listener(std::uint64_t netns_cookie, ListenerKind kind, int family,
                            unsigned slot, int listener_fd);
  /// Whether some process's listener is in the slot.
  Result<bool> has_listener(std::uint64_t netns_cookie, ListenerKind kind, int family,
                            unsigned slot) const;
  /// Empties a slot; an empty one stays so.
  Result<void> clear_listener(std::uint64_t netns_cookie, ListenerKind kind, int family,
                              unsigned slot);

  /// Where the application wanted to go, for a socket accepted from an outbound listener. nullopt
  /// when none is saved: somebody dialled the listener directly (refuse: SelfCall), or the
  /// handshake table was full.
  Result<std::optional<SocketAddress>> original_destination(int accepted_fd) const;

  /// Marks a socket as ztunnel's own before it connects: the connect hook leaves it alone. With
  /// `client`, the application that accepts the connection sees that address as its peer.
  Result<void> mark(int fd, const std::optional<SocketAddress>& client) const;

  /// Has the kernel measure a socket: one that has not connected yet, or a listener, for all that
  /// it will accept. Without the map (an agent of before) nothing happens: health() has nothing.
  void measure(int fd) const;
  /// What was measured of a connection; nullopt when it is not measured.
  std::optional<TcpHealth> health(int fd) const;

 private:
  SocketMaps() = default;
  UniqueFd listener_, origin_sk_, mark_, listens_, health_;
};

}  // namespace culvert::bpf
