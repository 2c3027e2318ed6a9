#include "lab/netlink.hpp"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace culvert::lab {

// A request under construction: header, payload and attributes, aligned as netlink(7) says.
class Netlink::Message {
 public:
  template <class Payload>
  Message(std::uint16_t type, std::uint16_t flags, const Payload& payload) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    append(&header, sizeof header);
    append(&payload, sizeof payload);
  }
  void attribute(std::uint16_t type, const void* data, std::size_t size) {
    rtattr header{};
    header.rta_type = type;
    header.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
    append(&header, sizeof header);
    append(data, size);
  }
  void text(std::uint16_t type, const std::string& value) {
    attribute(type, value.c_str(), value.size() + 1);
  }
  void number(std::uint16_t type, std::uint32_t value) { attribute(type, &value, sizeof value); }
  void address(std::uint16_t type, const IpAddress& ip) {
    const std::string bytes = ip.to_wire_bytes();
    attribute(type, bytes.data(), bytes.size());
  }
  /// Opens a nested attribute; close() with the answer writes its length.
  std::size_t nest(std::uint16_t type) {
    const std::size_t at = bytes_.size();
    attribute(type, nullptr, 0);
    return at;
  }
  void close(std::size_t at) {
    const auto length = static_cast<std::uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at + offsetof(rtattr, rta_len), &length, sizeof length);
  }
  void append(const void* data, std::size_t size) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + NLMSG_ALIGN(size));
    if (size != 0) std::memcpy(bytes_.data() + at, data, size);
  }
  std::vector<std::uint8_t>& finish(std::uint32_t sequence) {
    auto* header = reinterpret_cast<nlmsghdr*>(bytes_.data());
    header->nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    header->nlmsg_seq = sequence;
    return bytes_;
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

namespace {

ifinfomsg link_of(int index) {
  ifinfomsg out{};
  out.ifi_family = AF_UNSPEC;
  out.ifi_index = index;
  return out;
}

unsigned char family_of(const IpAddress& ip) {
  return ip.is_v4() ? AF_INET : AF_INET6;
}

}  // namespace

Outcome<Netlink> Netlink::open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return system_problem("open a netlink socket", errno);
  return Netlink(std::move(fd));
}

// Returns the ifindex of the answer's link when there is one, else 0.
Outcome<int> Netlink::send(Message& message, const std::string& what) {
  const auto& bytes = message.finish(++sequence_);
  if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) return system_problem(what, errno);
  int index = 0;
  while (true) {
    alignas(nlmsghdr) char buffer[32 << 10];
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_problem(what, errno);
    auto left = static_cast<unsigned>(got);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(h, left);
         h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_seq != sequence_) continue;
      if (h->nlmsg_type == RTM_NEWLINK)
        index = static_cast<const ifinfomsg*>(NLMSG_DATA(h))->ifi_index;
      if (h->nlmsg_type != NLMSG_ERROR) continue;
      const int error = static_cast<const nlmsgerr*>(NLMSG_DATA(h))->error;
      if (error != 0) return system_problem(what, -error);
      return index;
    }
  }
}

Outcome<void> Netlink::order(Message& message, const std::string& what) {
  auto sent = send(message, what);
  if (!sent) return std::unexpected(sent.error());
  return {};
}

Outcome<int> Netlink::link_index(const std::string& name) {
  Message message(RTM_GETLINK, 0, link_of(0));
  message.text(IFLA_IFNAME, name);
  return send(message, "find link " + name);
}

Outcome<void> Netlink::create_bridge(const std::string& name) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_of(0));
  message.text(IFLA_IFNAME, name);
  const auto info = message.nest(IFLA_LINKINFO);
  message.text(IFLA_INFO_KIND, "bridge");
  message.close(info);
  return order(message, "create bridge " + name);
}

Outcome<void> Netlink::create_veth(const std::string& name, const std::string& peer,
                                   int peer_netns) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_of(0));
  message.text(IFLA_IFNAME, name);
  const auto info = message.nest(IFLA_LINKINFO);
  message.text(IFLA_INFO_KIND, "veth");
  const auto data = message.nest(IFLA_INFO_DATA);
  const auto other = message.nest(VETH_INFO_PEER);
  const ifinfomsg link = link_of(0);
  message.append(&link, sizeof link);
  message.text(IFLA_IFNAME, peer);
  message.number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer_netns));
  message.close(other);
  message.close(data);
  message.close(info);
  return order(message, fmt::format("create veth {} and {}", name, peer));
}

Outcome<void> Netlink::set_up(int index) {
  ifinfomsg link = link_of(index);
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  Message message(RTM_NEWLINK, 0, link);
  return order(message, "set a link up");
}

Outcome<void> Netlink::set_master(int index, int master) {
  Message message(RTM_NEWLINK, 0, link_of(index));
  message.number(IFLA_MASTER, static_cast<std::uint32_t>(master));
  return order(message, "put a link on the bridge");
}

Outcome<void> Netlink::delete_link(int index) {
  Message message(RTM_DELLINK, 0, link_of(index));
  return order(message, "delete a link");
}

Outcome<void> Netlink::add_address(int index, const IpPrefix& address, bool link_scope) {
  ifaddrmsg header{};
  header.ifa_family = family_of(address.address);
  header.ifa_prefixlen = address.length;
  header.ifa_scope = link_scope ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header.ifa_index = static_cast<std::uint32_t>(index);
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, header);
  message.address(IFA_LOCAL, address.address);
  message.address(IFA_ADDRESS, address.address);
  if (!address.address.is_v4()) message.number(IFA_FLAGS, IFA_F_NODAD);
  return order(message, "add address " + address.to_string());
}

Outcome<void> Netlink::set_route(const Route& route) {
  const IpAddress& sample = route.destination ? route.destination->address : *route.via;
  rtmsg header{};
  header.rtm_family = family_of(sample);
  header.rtm_dst_len = route.destination ? route.destination->length : 0;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = route.via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  header.rtm_flags = route.on_link ? RTNH_F_ONLINK : 0;
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, header);
  if (route.destination) message.address(RTA_DST, route.destination->address);
  if (route.via) message.address(RTA_GATEWAY, *route.via);
  if (route.device != 0) message.number(RTA_OIF, static_cast<std::uint32_t>(route.device));
  if (route.source) message.address(RTA_PREFSRC, *route.source);
  const std::string where = route.destination ? route.destination->to_string() : "default";
  return order(message, "set route " + where);
}

Outcome<void> Netlink::delete_route(const IpPrefix& destination) {
  rtmsg header{};
  header.rtm_family = family_of(destination.address);
  header.rtm_dst_len = destination.length;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_scope = RT_SCOPE_NOWHERE;
  Message message(RTM_DELROUTE, 0, header);
  message.address(RTA_DST, destination.address);
  return order(message, "delete route " + destination.to_string());
}

}  // namespace culvert::lab
