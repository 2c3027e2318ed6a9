// Enrolling and removing pods. The order of the steps is what makes each of them fail closed.
#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <ctime>
#include <set>

#include "culvert/abi/maps.h"
#include "culvert/bpf/address.hpp"
#include "culvert/bpf/netns.hpp"
#include "culvert/bpf/objects.hpp"
#include "culvert/bpf/syscall.hpp"
#include "datapath.hpp"
#include "pin_folder.hpp"
#include "pod_sysctls.hpp"

namespace culvert::agent {
namespace {

PodAddresses addresses_of(const cv_pod_value& value) {
  PodAddresses out;
  if ((value.flags & CV_POD_HAS_V4) != 0) out.ip4 = bpf::from_abi(value.ip4);
  if ((value.flags & CV_POD_HAS_V6) != 0) out.ip6 = bpf::from_abi(value.ip6);
  return out;
}

void set_addresses(cv_pod_value& value, const PodAddresses& addresses) {
  value.flags &= ~(CV_POD_HAS_V4 | CV_POD_HAS_V6);
  if (addresses.ip4) {
    value.ip4 = bpf::to_abi(*addresses.ip4);
    value.flags |= CV_POD_HAS_V4;
  }
  if (addresses.ip6) {
    value.ip6 = bpf::to_abi(*addresses.ip6);
    value.flags |= CV_POD_HAS_V6;
  }
}

SysctlChange recorded_change(const cv_pod_value& value) {
  SysctlChange out{.mptcp_was_on = (value.flags & CV_POD_MPTCP_WAS_ON) != 0,
                   .reserved_added = value.reserved_added};
  if ((value.flags & CV_POD_TW_REUSE_CHANGED) != 0)
    out.tw_reuse_was = (value.flags & CV_POD_TW_REUSE_WAS_2) != 0 ? '2' : '0';
  return out;
}

// Sets the namespace's settings and adds what changed to what an earlier enrollment changed.
Outcome<void> prepare(int netns_fd, std::uint16_t block_first, cv_pod_value& value) {
  if (value.block_first != 0 && value.block_first != block_first) {
    const SysctlChange old{.reserved_added = value.reserved_added};
    if (auto ok = restore_netns(netns_fd, value.block_first, old); !ok) return ok;
    value.reserved_added = 0;
  }
  auto change = prepare_netns(netns_fd, block_first);
  if (!change) return std::unexpected(change.error());
  if (change->mptcp_was_on) value.flags |= CV_POD_MPTCP_WAS_ON;
  if (change->tw_reuse_was) value.flags |= CV_POD_TW_REUSE_CHANGED;
  if (change->tw_reuse_was == '2') value.flags |= CV_POD_TW_REUSE_WAS_2;
  value.reserved_added |= change->reserved_added;
  value.block_first = block_first;
  return {};
}

void set_guard(cv_pod_value& value, GuardMode guard) {
  value.flags &= ~(CV_POD_GUARD_OBSERVE | CV_POD_GUARD_STRICT);
  if (guard == GuardMode::kObserve) value.flags |= CV_POD_GUARD_OBSERVE;
  if (guard == GuardMode::kStrict) value.flags |= CV_POD_GUARD_STRICT;
}

GuardMode guard_of(const cv_pod_value& value) {
  if ((value.flags & CV_POD_GUARD_STRICT) != 0) return GuardMode::kStrict;
  return (value.flags & CV_POD_GUARD_OBSERVE) != 0 ? GuardMode::kObserve : GuardMode::kOff;
}

// Deletes the handshake entries of a namespace from cv_origin or cv_client.
void delete_flows(int map_fd, std::uint64_t cookie) {
  std::vector<cv_flow_key> found;
  cv_flow_key key{}, next{};
  const void* from = nullptr;
  while (found.size() < CV_MAX_HANDSHAKES &&
         bpf::map_next_key(map_fd, from, &next).value_or(false)) {
    if (next.netns_cookie == cookie) found.push_back(next);
    key = next;
    from = &key;
  }
  for (const cv_flow_key& flow : found) (void)bpf::map_delete(map_fd, &flow);
}

void delete_listeners(int map_fd, std::uint64_t cookie) {
  for (int kind = 0; kind < CV_LISTENER_KINDS; kind++)
    for (const int family : {AF_INET, AF_INET6})
      for (int slot = 0; slot < CV_LISTENER_SLOTS; slot++) {
        cv_listener_key key{};
        key.netns_cookie = cookie;
        key.kind = static_cast<__u8>(kind);
        key.family = static_cast<__u8>(family);
        key.slot = static_cast<__u8>(slot);
        (void)bpf::map_delete(map_fd, &key);
      }
}

bool is_lost(const std::vector<std::string>& pins) {
  return std::ranges::any_of(pins, [](const std::string& path) {
    const auto link = bpf::open_pinned(path);
    const auto info = link ? bpf::link_info(link->get()) : std::unexpected(link.error());
    return info && info->ifindex == 0;
  });
}

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

Outcome<void> make_counters(int map_fd, std::uint64_t cookie) {
  const std::vector<cv_counter_value> zero(bpf::possible_cpus());
  auto made = bpf::map_update(map_fd, &cookie, zero.data(), 1 /* BPF_NOEXIST */);
  if (!made && made.error().sys_errno != EEXIST)
    return problem("make the pod's counters", made.error());
  return {};
}

}  // namespace

std::optional<std::uint16_t> parse_block(std::string_view text) {
  auto ports = parse_ports(text);
  if (!ports || ports->count() != CV_BLOCK_PORTS) return std::nullopt;
  const auto first = static_cast<std::uint16_t>(ports->_Find_first());
  if (first == 0 || first % CV_BLOCK_PORTS != 0 || !ports->test(first + CV_BLOCK_PORTS - 1U))
    return std::nullopt;
  return first;
}

PodAddresses pod_addresses(std::span<const IpAddress> ips) {
  PodAddresses out;
  for (const IpAddress& ip : ips) {
    std::optional<IpAddress>& slot = ip.is_v4() ? out.ip4 : out.ip6;
    if (!slot) slot = ip;
  }
  return out;
}

std::string Datapath::pod_pin(std::uint64_t cookie) const {
  return fmt::format("{}/pods/{}", settings_.pin_dir, cookie);
}

Outcome<void> Datapath::link_pod(std::uint64_t cookie, int netns_fd) {
  if (auto pinned = bpf::open_pinned(pod_pin(cookie))) {
    auto info = bpf::link_info(pinned->get());
    if (info && info->netns_inode != 0) return {};
  }
  auto program = programs_.load_sk_lookup(cookie);
  if (!program) return std::unexpected(program.error());
  auto link = attach_netns(program->get(), netns_fd);
  if (!link) return std::unexpected(link.error());
  return pin(link->get(), pod_pin(cookie));
}

// 1. settings, before a redirected socket could pick a port of the block; 2. an entry that refuses
// all outbound; 3. sk_lookup, without which a redirected connection would reach the pod's own
// sockets;
// the guard; 4. the complete entry. Dying between two steps leaves a pod that refuses, and
// enrolling again goes on.
Outcome<std::uint64_t> Datapath::enroll(int netns_fd, const PodAddresses& addresses,
                                        GuardMode guard) {
  if (!addresses.ip4 && !addresses.ip6) return problem("enroll a pod: it has no address");
  auto cookie = bpf::netns_cookie(netns_fd);
  if (!cookie) return problem("enroll a pod", cookie.error(), "run as root");
  const int pods = programs_.map_fd("cv_pod");
  cv_pod_value value{};
  auto known = bpf::map_lookup(pods, &*cookie, &value);
  if (!known) return problem("read cv_pod", known.error());
  const cv_pod_value before = value;
  if (!*known) value.enrolled_ns = now_ns();
  if (auto ok = prepare(netns_fd, settings_.block_first, value); !ok)
    return std::unexpected(ok.error());
  set_addresses(value, addresses);
  set_guard(value, guard);
  if (!*known || (before.flags & CV_POD_READY) == 0) {
    value.flags &= ~CV_POD_READY;
    if (auto ok = bpf::map_update(pods, &*cookie, &value); !ok)
      return problem("write cv_pod", ok.error(), fmt::format("a node holds {} pods", CV_MAX_PODS));
  }
  if (auto ok = make_counters(programs_.map_fd("cv_counter"), *cookie); !ok)
    return std::unexpected(ok.error());
  if (auto ok = link_pod(*cookie, netns_fd); !ok) return std::unexpected(ok.error());
  if (auto ok = guard_pod(guard_place(*cookie, netns_fd), addresses, guard, value); !ok)
    return std::unexpected(ok.error());
  value.flags |= CV_POD_READY;
  const bool same =
      *known && before.flags == value.flags && before.block_first == value.block_first &&
      before.reserved_added == value.reserved_added && addresses_of(before) == addresses;
  if (same) return *cookie;
  if (auto ok = bpf::map_update(pods, &*cookie, &value); !ok)
    return problem("write cv_pod", ok.error());
  // An entry that was complete had its older connections ended, or allowed, then.
  const bool was_strict = (before.flags & CV_POD_READY) != 0 && guard_of(before) == guard;
  if (guard == GuardMode::kStrict && !was_strict) end_older(netns_fd, *cookie);
  return *cookie;
}

// The entry first: redirected connections without sk_lookup would reach the pod's own sockets.
Outcome<void> Datapath::unenroll(std::uint64_t netns_cookie, int netns_fd) {
  const int pods = programs_.map_fd("cv_pod");
  cv_pod_value value{};
  auto known = bpf::map_lookup(pods, &netns_cookie, &value);
  if (!known) return problem("read cv_pod", known.error());
  if (auto ok = bpf::map_delete(pods, &netns_cookie); !ok)
    return problem("write cv_pod", ok.error());
  const bool made_qdisc = (value.flags & CV_POD_CLSACT_ADDED) != 0;
  if (auto ok = remove_guard(guard_place(netns_cookie, netns_fd), made_qdisc); !ok) return ok;
  if (auto ok = remove_link(pod_pin(netns_cookie)); !ok) return std::unexpected(ok.error());
  delete_listeners(programs_.map_fd("cv_listener"), netns_cookie);
  (void)bpf::map_delete(programs_.map_fd("cv_counter"), &netns_cookie);
  delete_flows(programs_.map_fd("cv_origin"), netns_cookie);
  delete_flows(programs_.map_fd("cv_client"), netns_cookie);
  if (!*known || netns_fd < 0 || value.block_first == 0) return {};
  return restore_netns(netns_fd, value.block_first, recorded_change(value));
}

Outcome<std::vector<EnrolledPod>> Datapath::list() const {
  std::vector<EnrolledPod> out;
  const std::vector<std::string> links = pinned_names(settings_.pin_dir + "/pods");
  const std::set<std::string> linked(links.begin(), links.end());
  auto all_guards = all_guard_pins(settings_.pin_dir + "/guards");
  const int pods = programs_.map_fd("cv_pod");
  std::uint64_t key = 0, next = 0;
  const void* from = nullptr;
  while (out.size() < CV_MAX_PODS) {
    auto more = bpf::map_next_key(pods, from, &next);
    if (!more) return problem("walk cv_pod", more.error());
    if (!*more) break;
    cv_pod_value value{};
    if (bpf::map_lookup(pods, &next, &value).value_or(false)) {
      const std::vector<std::string>& guards = all_guards[next];
      out.push_back({.netns_cookie = next,
                     .addresses = addresses_of(value),
                     .guard = guard_of(value),
                     .ready = (value.flags & CV_POD_READY) != 0,
                     .linked = linked.contains(std::to_string(next)),
                     .guard_lost = is_lost(guards),
                     .unguarded = guard_of(value) != GuardMode::kOff && guards.empty()});
    }
    key = next;
    from = &key;
  }
  return out;
}

Outcome<SyncReport> Datapath::sync(std::span<const DesiredPod> desired) {
  SyncReport report;
  auto present = list();
  if (!present) return std::unexpected(present.error());
  std::set<std::uint64_t> wanted;
  for (const DesiredPod& pod : desired) {
    auto cookie = enroll(pod.netns_fd, pod.addresses, pod.guard);
    if (!cookie) {
      report.problems.push_back(cookie.error());
      // A pod that is wanted is not taken out because it could not be refreshed.
      if (auto known = bpf::netns_cookie(pod.netns_fd)) wanted.insert(*known);
      continue;
    }
    wanted.insert(*cookie);
    const bool was = std::any_of(present->begin(), present->end(), [&](const EnrolledPod& p) {
      return p.netns_cookie == *cookie && p.ready && p.linked && p.addresses == pod.addresses &&
             p.guard == pod.guard;
    });
    (was ? report.unchanged : report.enrolled)++;
  }
  for (const EnrolledPod& pod : *present) {
    if (wanted.contains(pod.netns_cookie)) continue;
    if (auto ok = unenroll(pod.netns_cookie, -1); !ok) report.problems.push_back(ok.error());
    report.removed++;
  }
  auto warnings = check_order();
  if (!warnings) return std::unexpected(warnings.error());
  report.warnings = std::move(*warnings);
  return report;
}

}  // namespace culvert::agent
