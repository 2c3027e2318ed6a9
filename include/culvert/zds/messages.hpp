// The ZDS protocol's messages as values: how a node agent hands pods to ztunnel over a
// SOCK_SEQPACKET socket, one message a packet (Istio's istio.workload.zds, version 1). Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "culvert/base/error.hpp"

namespace culvert::zds {

/// What Istio's ztunnel reads at most; longer packets would be cut by the kernel.
inline constexpr std::size_t kMaxPacketBytes = 1024;
/// Longest text in an Ack, so that its packet fits with room to spare.
inline constexpr std::size_t kMaxAckErrorBytes = 900;
inline constexpr std::size_t kMaxUidBytes = 128;

struct Workload {
  std::string uid;
  std::string name;
  std::string namespace_name;
  std::string service_account;
  bool operator==(const Workload&) const = default;
};

// The agent's requests.
struct Add {  // with the netns's descriptor
  Workload workload;
  bool operator==(const Add&) const = default;
};
struct Keep {  // before SnapshotSent only: do not drop the one you have
  std::string uid;
  bool operator==(const Keep&) const = default;
};
struct Del {  // after SnapshotSent only
  std::string uid;
  bool operator==(const Del&) const = default;
};
struct SnapshotSent {
  bool operator==(const SnapshotSent&) const = default;
};
using Request = std::variant<Add, Keep, Del, SnapshotSent>;

/// ztunnel's answer to each request; empty = done.
struct Ack {
  std::string error;
  bool operator==(const Ack&) const = default;
};

/// kLimit: over kMaxPacketBytes; kInvalid: an empty or overlong uid.
Result<std::string> encode(const Request& request);
/// Any bytes may come. kProtocol: no known request, an empty or overlong uid; kLimit: too long.
Result<Request> decode_request(std::span<const std::byte> packet);

/// Bytes that are not printable ASCII become '?', and the text is cut to kMaxAckErrorBytes.
std::string encode_ack(std::string_view error);
Result<Ack> decode_ack(std::span<const std::byte> packet);

/// ztunnel's first packet.
std::string encode_hello();
/// kProtocol: not a hello, or another version than 1.
Result<void> check_hello(std::span<const std::byte> packet);

}  // namespace culvert::zds
