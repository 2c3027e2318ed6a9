#include "lab/network.hpp"

#include <algorithm>

#include "lab/netlink.hpp"
#include "lab/netns.hpp"

namespace culvert::lab {
namespace {

constexpr const char* kBridge = "br0";
constexpr const char* kUplink = "eth0";
constexpr std::uint32_t kControlHost = 2;  // of the fabric range

// The pod's gateway: the same link-local addresses on the node's end of every veth.
const IpAddress kGatewayV4 = IpAddress::v4(169, 254, 1, 1);
const IpAddress kGatewayV6 = *IpAddress::parse("fe80::1");

const Sysctls kEndSysctls = {{"net/ipv6/conf/all/disable_ipv6", "0"},
                             {"net/ipv6/conf/default/disable_ipv6", "0"},
                             {"net/ipv6/conf/default/accept_dad", "0"},
                             {"net/ipv6/conf/default/accept_ra", "0"},
                             {"net/ipv4/ping_group_range", "0 2147483647"}};

Sysctls router_sysctls() {
  Sysctls out = kEndSysctls;
  out.insert(out.end(), {{"net/ipv4/ip_forward", "1"},
                         {"net/ipv6/conf/all/forwarding", "1"},
                         {"net/ipv4/conf/all/rp_filter", "0"},
                         {"net/ipv4/conf/default/rp_filter", "0"}});
  return out;
}

Outcome<Netlink> netlink_in(int netns) {
  auto scope = NetnsScope::enter(netns);
  if (!scope) return std::unexpected(scope.error());
  return Netlink::open();
}

Outcome<Netlink> netlink_in(const std::string& netns) {
  auto fd = open_netns(netns);
  if (!fd) return std::unexpected(fd.error());
  return netlink_in(fd->get());
}

IpPrefix host_prefix(const IpAddress& ip) {
  return {ip, static_cast<std::uint8_t>(ip.is_v4() ? 32 : 128)};
}

Outcome<void> address_and_up(Netlink& netlink, const std::string& link,
                             const std::vector<IpPrefix>& addresses, bool link_scope) {
  auto index = netlink.link_index(link);
  if (!index) return std::unexpected(index.error());
  if (auto up = netlink.set_up(*index); !up) return up;
  for (const IpPrefix& address : addresses)
    if (auto added = netlink.add_address(*index, address, link_scope); !added) return added;
  return {};
}

// A namespace with eth0 on the bridge.
Outcome<void> create_bridged(const LabNames& names, const std::string& netns,
                             const Sysctls& sysctls, const std::vector<IpPrefix>& addresses) {
  auto inside_fd = create_netns(netns, sysctls);
  if (!inside_fd) return std::unexpected(inside_fd.error());
  auto fabric = netlink_in(names.fabric_netns());
  auto inside = netlink_in(inside_fd->get());
  if (!fabric || !inside) return std::unexpected(!fabric ? fabric.error() : inside.error());
  const std::string port = interface_name("n", netns);
  if (auto made = fabric->create_veth(port, kUplink, inside_fd->get()); !made) return made;
  auto bridge = fabric->link_index(kBridge);
  auto index = fabric->link_index(port);
  if (!bridge || !index) return std::unexpected(!bridge ? bridge.error() : index.error());
  if (auto joined = fabric->set_master(*index, *bridge); !joined) return joined;
  if (auto up = fabric->set_up(*index); !up) return up;
  return address_and_up(*inside, kUplink, addresses, false);
}

const Node* find_node(const std::vector<Node>& nodes, const std::string& name) {
  const auto found = std::ranges::find(nodes, name, &Node::name);
  return found == nodes.end() ? nullptr : &*found;
}

std::optional<IpAddress> same_family(const std::vector<IpAddress>& ips, const IpAddress& as) {
  for (const IpAddress& ip : ips)
    if (ip.is_v4() == as.is_v4()) return ip;
  return std::nullopt;
}

// Addresses that the node's ranges do not cover: other nodes need a route to each.
std::vector<IpAddress> strays(const Pod& pod, const Node& home) {
  std::vector<IpAddress> out;
  for (const IpAddress& ip : pod.ips)
    if (std::ranges::none_of(home.pod_ranges, [&](const IpPrefix& r) { return r.contains(ip); }))
      out.push_back(ip);
  return out;
}

Outcome<void> route_pod_on_node(Netlink& node_side, int index, const Pod& pod, const Node& home) {
  for (const IpAddress& ip : pod.ips) {
    const Route route{
        .destination = host_prefix(ip), .device = index, .source = same_family(home.ips, ip)};
    if (auto set = node_side.set_route(route); !set) return set;
  }
  return {};
}

Outcome<void> default_routes(Netlink& pod_side, const Pod& pod) {
  auto index = pod_side.link_index(kUplink);
  if (!index) return std::unexpected(index.error());
  for (const IpAddress& ip : pod.ips) {
    const Route route{
        .via = ip.is_v4() ? kGatewayV4 : kGatewayV6, .device = *index, .on_link = true};
    if (auto set = pod_side.set_route(route); !set) return set;
  }
  return {};
}

}  // namespace

std::string netns_of(const LabNames& names, const Pod& pod) {
  return pod.host_network ? names.node_netns(pod.node) : names.pod_netns(pod.ns, pod.name);
}

Outcome<void> create_fabric(const LabNames& names, const AddressPlan& plan) {
  if (auto made = create_netns(names.fabric_netns(), kEndSysctls); !made)
    return std::unexpected(made.error());
  auto netlink = netlink_in(names.fabric_netns());
  if (!netlink) return std::unexpected(netlink.error());
  if (auto bridge = netlink->create_bridge(kBridge); !bridge) return bridge;
  if (auto up = address_and_up(*netlink, kBridge, {}, false); !up) return up;
  return create_bridged(names, names.control_netns(), kEndSysctls,
                        {{address_at(plan.fabric_v4, kControlHost), plan.fabric_v4.length},
                         {address_at(plan.fabric_v6, kControlHost), 64}});
}

Outcome<void> create_node_network(const LabNames& names, const AddressPlan& plan,
                                  const Node& node) {
  std::vector<IpPrefix> addresses;
  for (const IpAddress& ip : node.ips)
    addresses.push_back({ip, ip.is_v4() ? plan.fabric_v4.length : std::uint8_t{64}});
  return create_bridged(names, names.node_netns(node.name), router_sysctls(), addresses);
}

Outcome<void> route_nodes(const LabNames& names, const std::vector<Node>& nodes) {
  for (const Node& node : nodes) {
    auto netlink = netlink_in(names.node_netns(node.name));
    if (!netlink) return std::unexpected(netlink.error());
    for (const Node& other : nodes) {
      if (other.name == node.name) continue;
      for (const IpPrefix& range : other.pod_ranges) {
        const Route route{.destination = range, .via = same_family(other.ips, range.address)};
        if (auto set = netlink->set_route(route); !set) return set;
      }
    }
  }
  return {};
}

Outcome<void> create_pod_network(const LabNames& names, const Pod& pod,
                                 const std::vector<Node>& nodes) {
  if (pod.host_network) return {};
  const Node* home = find_node(nodes, pod.node);
  if (home == nullptr) return problem("there is no node " + pod.node);
  auto pod_fd = create_netns(names.pod_netns(pod.ns, pod.name), kEndSysctls);
  if (!pod_fd) return std::unexpected(pod_fd.error());
  auto node_side = netlink_in(names.node_netns(pod.node));
  auto pod_side = netlink_in(pod_fd->get());
  if (!node_side || !pod_side)
    return std::unexpected(!node_side ? node_side.error() : pod_side.error());
  const std::string veth = interface_name("p", pod.key());
  if (auto made = node_side->create_veth(veth, kUplink, pod_fd->get()); !made) return made;
  std::vector<IpPrefix> addresses;
  for (const IpAddress& ip : pod.ips) addresses.push_back(host_prefix(ip));
  if (auto up = address_and_up(*pod_side, kUplink, addresses, false); !up) return up;
  if (auto up = address_and_up(*node_side, veth, {host_prefix(kGatewayV4), {kGatewayV6, 64}}, true);
      !up)
    return up;
  auto index = node_side->link_index(veth);
  if (!index) return std::unexpected(index.error());
  if (auto routed = route_pod_on_node(*node_side, *index, pod, *home); !routed) return routed;
  if (auto routed = default_routes(*pod_side, pod); !routed) return routed;
  for (const IpAddress& ip : strays(pod, *home))
    for (const Node& other : nodes) {
      if (other.name == home->name) continue;
      auto netlink = netlink_in(names.node_netns(other.name));
      if (!netlink) return std::unexpected(netlink.error());
      const Route route{.destination = host_prefix(ip), .via = same_family(home->ips, ip)};
      if (auto set = netlink->set_route(route); !set) return set;
    }
  return {};
}

Outcome<void> delete_pod_network(const LabNames& names, const Pod& pod,
                                 const std::vector<Node>& nodes) {
  if (pod.host_network) return {};
  // The node's end goes first: it would keep the name until the kernel has freed the namespace.
  if (auto node_side = netlink_in(names.node_netns(pod.node)); node_side)
    if (auto index = node_side->link_index(interface_name("p", pod.key())); index)
      if (auto deleted = node_side->delete_link(*index); !deleted) return deleted;
  if (const Node* home = find_node(nodes, pod.node); home != nullptr)
    for (const IpAddress& ip : strays(pod, *home))
      for (const Node& other : nodes)
        if (other.name != home->name)
          if (auto netlink = netlink_in(names.node_netns(other.name)); netlink)
            (void)netlink->delete_route(host_prefix(ip));  // gone with the node, or never there
  return delete_netns(names.pod_netns(pod.ns, pod.name));
}

}  // namespace culvert::lab
