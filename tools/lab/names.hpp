// Every name that a lab gives to something on the machine: paths, netns, interfaces, cgroups, pins.
// Pure. Whatever `down` must find after a crash is found by these names.
#pragma once

#include <string>
#include <string_view>

#include "lab/problem.hpp"

namespace culvert::lab {

inline constexpr const char* kRunDir = "/run/culvert";
inline constexpr const char* kLabsDir = "/run/culvert/lab";
inline constexpr const char* kNetnsDir = "/run/netns";
inline constexpr std::size_t kLabNameMax = 32;
inline constexpr std::size_t kObjectNameMax = 253;    // RFC 1123 subdomain
inline constexpr std::size_t kFileNameMax = 200;      // below NAME_MAX (255)
inline constexpr std::size_t kInterfaceNameMax = 15;  // IFNAMSIZ - 1, netdevice(7)

/// A lab's name goes into paths, netns and cgroups: 1-32 of [a-z0-9-], starting and ending with a
/// letter or digit. "n" and "p" may not stand between or after dashes: "cv-a-n-b" could then be the
/// node b of lab a or something of lab a-n.
Outcome<std::string> check_lab_name(std::string_view name);

/// What an object's name (RFC 1123 subdomain) or a uid may hold, since both become parts of paths:
/// lower and upper letters, digits, "-" and ".", starting with a letter or digit, 253 at most.
bool is_path_safe(std::string_view name);

/// Where everything of one lab is.
class LabNames {
 public:
  explicit LabNames(std::string lab) : lab_(std::move(lab)) {}

  const std::string& lab() const { return lab_; }
  std::string dir() const { return std::string(kLabsDir) + "/" + lab_; }
  std::string state_file() const { return dir() + "/lab.json"; }
  std::string supervisor_socket() const { return dir() + "/supervisor.sock"; }
  std::string config_dir() const { return dir() + "/config"; }
  std::string control_dir() const { return dir() + "/control"; }
  std::string control_sockets() const { return control_dir() + "/sockets"; }
  /// The folder of the socket by which control serves this pod, a waypoint's or edge's.
  std::string proxy_dir(std::string_view ns, std::string_view pod) const;
  std::string control_admin() const { return control_dir() + "/admin.sock"; }
  std::string node_dir(std::string_view node) const;
  std::string node_socket(std::string_view node, std::string_view file) const;
  std::string pod_dir(std::string_view ns, std::string_view pod) const;
  std::string pod_hosts(std::string_view ns, std::string_view pod) const;
  std::string pod_log(std::string_view ns, std::string_view pod, std::string_view container) const;
  std::string node_log(std::string_view node, std::string_view component) const;
  std::string control_log() const { return dir() + "/logs/control.log"; }
  std::string supervisor_log() const { return dir() + "/logs/supervisor.log"; }

  /// Netns file names, without directory.
  std::string netns_prefix() const { return "cv-" + lab_ + "-"; }
  std::string fabric_netns() const { return netns_prefix() + "fabric"; }
  std::string control_netns() const { return netns_prefix() + "control"; }
  std::string node_netns(std::string_view node) const;
  std::string pod_netns(std::string_view ns, std::string_view pod) const;
  /// True for a netns of this lab, also when another lab's name starts with this one's.
  bool owns_netns(std::string_view netns) const;

  /// Below the cgroup2 mount.
  std::string cgroup() const { return "culvert/lab/" + lab_; }
  std::string node_cgroup(std::string_view node) const;
  std::string pod_cgroup(std::string_view node, std::string_view uid) const;
  /// Below the BPF file system.
  std::string pins() const { return "culvert/lab/" + lab_; }
  std::string node_pins(std::string_view node) const;

 private:
  std::string lab_;
};

/// The node's end of a pod's veth, or the fabric's end of a node's: prefix and 10 hex digits of a
/// hash, at most kInterfaceNameMax.
std::string interface_name(std::string_view prefix, std::string_view owner);
/// Joins parts with `separator`; over kFileNameMax the tail is replaced by a hash.
std::string bounded_name(std::string_view text);
/// FNV-1a, 64 bits: stable across runs and machines.
std::uint64_t name_hash(std::string_view text);

}  // namespace culvert::lab
