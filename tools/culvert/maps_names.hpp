// Names for what the maps hold as numbers: the agent's record of its pods, when it can be read. The
// maps themselves know only cookies and addresses.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "culvert/base/ip.hpp"

namespace culvert::cli {

class PodNames {
 public:
  /// From the text of STATE_DIR/pods.json: a list (or {"pods": list}) of objects with namespace,
  /// name, netns_cookie and ips. What cannot be read is left out.
  static PodNames parse(std::string_view json);
  /// Reads STATE_DIR/pods.json; empty when it is not there.
  static PodNames load(const std::string& state_dir);

  /// "shop/web", or "netns 4711".
  std::string pod(std::uint64_t netns_cookie) const;
  /// "10.0.0.5 (shop/web)", or the bare address.
  std::string address(const IpAddress& ip) const;
  /// "10.0.0.5:80 (shop/web)", or the bare address and port.
  std::string endpoint(const SocketAddress& address) const;
  /// The cookie of "shop/web", or of a number (a cookie itself).
  std::optional<std::uint64_t> cookie(const std::string& pod) const;
  std::optional<std::uint64_t> cookie_of(const IpAddress& ip) const;

 private:
  std::map<std::uint64_t, std::string> names_;
  std::map<IpAddress, std::uint64_t> addresses_;
};

}  // namespace culvert::cli
