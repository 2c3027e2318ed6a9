// rtnetlink(7) requests, one at a time, each waited for. A socket belongs to the network namespace
// that its thread was in when it was opened, and stays there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

struct Route {
  std::optional<IpPrefix> destination;  // nullopt: default route of `via`'s family
  std::optional<IpAddress> via;
  int device = 0;                   // ifindex; 0 lets the kernel find it by `via`
  std::optional<IpAddress> source;  // preferred source address
  bool on_link = false;             // `via` need not lie in a network of the device
};

class Netlink {
 public:
  /// In the calling thread's network namespace.
  static Outcome<Netlink> open();

  Outcome<int> link_index(const std::string& name);
  Outcome<void> create_bridge(const std::string& name);
  /// `name` here, `peer` in the namespace of `peer_netns`.
  Outcome<void> create_veth(const std::string& name, const std::string& peer, int peer_netns);
  Outcome<void> set_up(int index);
  Outcome<void> set_master(int index, int master);
  Outcome<void> delete_link(int index);
  /// Without duplicate address detection: the address works at once (IFA_F_NODAD).
  Outcome<void> add_address(int index, const IpPrefix& address, bool link_scope);
  /// Adds or replaces.
  Outcome<void> set_route(const Route& route);
  Outcome<void> delete_route(const IpPrefix& destination);

 private:
  explicit Netlink(UniqueFd socket) : socket_(std::move(socket)) {}
  class Message;
  Outcome<int> send(Message& message, const std::string& what);
  Outcome<void> order(Message& message, const std::string& what);

  UniqueFd socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace culvert::lab
