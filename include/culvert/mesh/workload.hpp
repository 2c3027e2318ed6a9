// The nouns of the mesh: workloads (pods) and services. Values without behaviour, made by xDS or
// tests, held by a Snapshot as shared_ptr<const T>; readable from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "culvert/base/ip.hpp"
#include "culvert/mesh/identity.hpp"

namespace culvert::mesh {

inline constexpr std::uint16_t kHbonePort = 15008;

enum class TunnelProtocol : std::uint8_t { kNone, kHbone };
enum class WorkloadType : std::uint8_t { kDeployment, kCronJob, kPod, kJob };
enum class AppProtocol : std::uint8_t { kUnknown, kHttp11, kHttp2, kGrpc, kTcp, kTls };

/// An address is only unique within its network; "" is the mesh's own.
struct NetworkAddress {
  std::string network;
  IpAddress ip;
  auto operator<=>(const NetworkAddress&) const = default;
};
struct NetworkAddressHash {
  std::size_t operator()(const NetworkAddress& a) const {
    return IpAddressHash{}(a.ip) * 31 + std::hash<std::string>{}(a.network);
  }
};

/// A port of a service and where it leads on a workload. target 0: the workload must say.
struct PortMapping {
  std::uint16_t service_port = 0;
  std::uint16_t target_port = 0;
  AppProtocol protocol = AppProtocol::kUnknown;
  auto operator<=>(const PortMapping&) const = default;
};

/// Where a waypoint is: a service ("NAMESPACE/HOSTNAME") or an address.
struct GatewayAddress {
  std::variant<std::string, NetworkAddress> destination;
  std::uint16_t hbone_port = kHbonePort;
  bool operator==(const GatewayAddress&) const = default;
};

struct Locality {
  std::string region, zone, subzone;
  auto operator<=>(const Locality&) const = default;
};

struct Workload {
  std::string uid;  // "CLUSTER//Pod/NAMESPACE/NAME": the key, never reused for another address set
  std::string name;
  std::string ns;
  std::vector<IpAddress> addresses;  // one a family as a rule; empty when only a hostname is known
  std::string hostname;
  std::string network;
  TunnelProtocol protocol = TunnelProtocol::kNone;
  std::vector<std::uint16_t> plaintext_ports;  // reached in plaintext although protocol is HBONE
  bool plaintext_all_but = false;              // plaintext_ports are the exceptions instead
  std::string trust_domain;
  std::string service_account;
  std::optional<GatewayAddress> waypoint;
  std::string node;
  std::string canonical_name, canonical_revision;  // for telemetry
  WorkloadType workload_type = WorkloadType::kPod;
  std::string workload_name;
  std::map<std::string, std::vector<PortMapping>> services;  // by "NAMESPACE/HOSTNAME"
  /// Its share among the endpoints of a service, and where one of them says otherwise. 0: nothing.
  std::uint32_t capacity = 1;
  std::map<std::string, std::uint32_t> weights;  // by "NAMESPACE/HOSTNAME"
  std::vector<std::string> policies;  // "NAMESPACE/NAME" of those that select this workload
  bool healthy = true;
  bool host_network = false;  // its address is its node's, and may be others' too
  std::string cluster_id;
  Locality locality;

  Identity identity() const { return {trust_domain, ns, service_account}; }
  /// How to reach `port` of this workload.
  TunnelProtocol protocol_for(std::uint16_t port) const;
  /// Its address of the family of `like`, else its first; nullopt when it has none.
  std::optional<IpAddress> address_for(const IpAddress& like) const;

  bool operator==(const Workload&) const = default;
};

struct Service {
  std::string name;
  std::string ns;
  std::string hostname;              // "web.shop.svc.cluster.local"
  std::vector<NetworkAddress> vips;  // whole addresses only
  std::vector<PortMapping> ports;
  std::vector<Identity> subject_alt_names;  // accepted besides the workload's own identity
  std::optional<GatewayAddress> waypoint;
  bool passthrough = false;      // connect to the address asked for, no balancing
  bool allow_unhealthy = false;  // publishNotReadyAddresses
  /// The namespaces that see it (ServiceEntry.exportTo); nullopt: all.
  std::optional<std::vector<std::string>> exported_to;

  /// "NAMESPACE/HOSTNAME".
  std::string key() const { return ns + "/" + hostname; }
  const PortMapping* find_port(std::uint16_t service_port) const;
  bool visible_to(std::string_view namespace_name) const;

  bool operator==(const Service&) const = default;
};

using WorkloadPtr = std::shared_ptr<const Workload>;
using ServicePtr = std::shared_ptr<const Service>;

}  // namespace culvert::mesh
