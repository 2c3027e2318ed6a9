// Attaching guards. All of it happens on a thread inside the pod's namespace, where interfaces have
// their numbers.
#include "guard.hpp"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>

#include "culvert/base/fd.hpp"
#include "culvert/bpf/netns.hpp"
#include "culvert/bpf/objects.hpp"
#include "culvert/bpf/syscall.hpp"
#include "links.hpp"
#include "pin_folder.hpp"

namespace culvert::agent {
namespace {

struct Interface {
  unsigned index = 0;
  std::string name;
  bool ethernet = false;
};

bool carries(const ifaddrs& entry, const PodAddresses& addresses) {
  if (entry.ifa_addr == nullptr || (entry.ifa_flags & IFF_LOOPBACK) != 0) return false;
  if (entry.ifa_addr->sa_family != AF_INET && entry.ifa_addr->sa_family != AF_INET6) return false;
  const auto own = SocketAddress::from_sockaddr(entry.ifa_addr);
  return own && (own->ip == addresses.ip4 || own->ip == addresses.ip6);
}

// The interfaces of this thread's namespace that carry one of the addresses.
Outcome<std::vector<Interface>> interfaces_of(const PodAddresses& addresses) {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0)
    return problem(fmt::format("list the pod's interfaces: {}", strerror(errno)));
  std::set<std::string> names;
  for (const ifaddrs* at = all; at != nullptr; at = at->ifa_next)
    if (carries(*at, addresses)) names.insert(at->ifa_name);
  ::freeifaddrs(all);
  // Asked of each by name (netdevice(7)): getifaddrs() leaves out links without an address of their
  // own.
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::vector<Interface> out;
  for (const std::string& name : names) {
    ifreq request{};
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    if (::ioctl(fd.get(), SIOCGIFHWADDR, &request) != 0)
      return problem(fmt::format("ask about {}: {}", name, strerror(errno)));
    const bool ethernet = request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
    out.push_back({::if_nametoindex(name.c_str()), name, ethernet});
  }
  return out;
}

std::string pin_of(const GuardPlace& place, unsigned ifindex) {
  return fmt::format("{}/{}_{}", place.pins, place.netns_cookie, ifindex);
}

Outcome<void> attach_here(const GuardPlace& place, int program_fd, const Interface& interface,
                          GuardHook hook, ClsactChange& change) {
  if (!interface.ethernet)
    return problem(fmt::format("guard {}: it is no Ethernet device", interface.name),
                   "annotate the pod culvert.io/guard: off");
  if (hook == GuardHook::kTcx) {
    const std::string path = pin_of(place, interface.index);
    if (auto pinned = bpf::open_pinned(path)) {
      const auto info = bpf::link_info(pinned->get());
      if (info && info->ifindex == interface.index) return {};
    }
    bool no_tcx = false;
    auto link = attach_egress(program_fd, interface.index, no_tcx);
    if (link) return pin(link->get(), path);
    if (!no_tcx) return std::unexpected(link.error());
  }
  return attach_clsact(program_fd, interface.index, change);
}

// Unpins a link whose interface is gone.
Outcome<void> drop_dead(const std::string& path) {
  const auto link = bpf::open_pinned(path);
  const auto info = link ? bpf::link_info(link->get()) : std::unexpected(link.error());
  if (!info || info->ifindex != 0) return {};
  if (auto gone = remove_link(path); !gone) return std::unexpected(gone.error());
  return {};
}

// Runs `work` inside the namespace.
Outcome<void> inside(int netns_fd, const std::function<Outcome<void>()>& work) {
  Outcome<void> done;
  const auto entered = bpf::in_netns(netns_fd, [&]() -> Result<void> {
    done = work();
    return {};
  });
  if (!entered) return problem("enter the pod's network namespace", entered.error());
  return done;
}

}  // namespace

const char* guard_mode_name(GuardMode mode) {
  switch (mode) {
    case GuardMode::kOff:
      return "off";
    case GuardMode::kObserve:
      return "observe";
    case GuardMode::kStrict:
      return "strict";
  }
  return "strict";
}

std::optional<GuardMode> parse_guard_mode(std::string_view text) {
  for (const GuardMode mode : {GuardMode::kOff, GuardMode::kObserve, GuardMode::kStrict})
    if (text == guard_mode_name(mode)) return mode;
  return std::nullopt;
}

Outcome<void> attach_guard(const GuardPlace& place, int program_fd, const PodAddresses& addresses,
                           GuardHook hook, ClsactChange& change) {
  return inside(place.netns_fd, [&]() -> Outcome<void> {
    auto found = interfaces_of(addresses);
    if (!found) return std::unexpected(found.error());
    for (const std::string& path : guard_pins(place))
      if (auto ok = drop_dead(path); !ok) return ok;
    for (const Interface& interface : *found)
      if (auto ok = attach_here(place, program_fd, interface, hook, change); !ok) return ok;
    return {};
  });
}

std::map<std::uint64_t, std::vector<std::string>> all_guard_pins(const std::string& pins) {
  std::map<std::uint64_t, std::vector<std::string>> out;
  for (const std::string& name : pinned_names(pins))
    out[std::strtoull(name.c_str(), nullptr, 10)].push_back(pins + "/" + name);
  return out;
}

std::vector<std::string> guard_pins(const GuardPlace& place) {
  return all_guard_pins(place.pins)[place.netns_cookie];
}

Outcome<void> remove_guard(const GuardPlace& place, bool made_qdisc) {
  for (const std::string& path : guard_pins(place))
    if (auto ok = remove_link(path); !ok) return std::unexpected(ok.error());
  if (place.netns_fd < 0) return {};
  return inside(place.netns_fd, [&] { return remove_clsact(made_qdisc); });
}

}  // namespace culvert::agent
