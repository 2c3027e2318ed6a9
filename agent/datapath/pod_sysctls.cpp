// /proc/sys/net of another network namespace, reached by a thread inside it.
#include "pod_sysctls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "culvert/abi/maps.h"
#include "culvert/base/fd.hpp"
#include "culvert/bpf/netns.hpp"

namespace culvert::agent {
namespace {

constexpr const char* kReservedPorts = "/proc/sys/net/ipv4/ip_local_reserved_ports";
constexpr const char* kMptcp = "/proc/sys/net/mptcp/enabled";
constexpr const char* kTwReuse = "/proc/sys/net/ipv4/tcp_tw_reuse";
constexpr std::size_t kMaxSysctl = 1U << 20;

Result<void> write_sysctl(const char* path, const std::string& text) {
  UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "open a sysctl of the pod");
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail_errno(errno, "write a sysctl of the pod");
  return {};
}

// A kernel without MPTCP has no such file, and nothing to turn off.
Result<bool> set_mptcp(bool on) {
  auto now = read_file(kMptcp, kMaxSysctl);
  if (!now) {
    if (now.error().code == ErrorCode::kNotFound) return false;
    return std::unexpected(now.error());
  }
  const bool was_on = now->starts_with('1');
  if (was_on == on) return was_on;
  if (auto ok = write_sysctl(kMptcp, on ? "1\n" : "0\n"); !ok) return std::unexpected(ok.error());
  return was_on;
}

// What it was, if it was not 1.
Result<std::optional<char>> reuse_time_wait() {
  auto now = read_file(kTwReuse, kMaxSysctl);
  if (!now) return std::unexpected(now.error());
  if (now->starts_with('1')) return std::nullopt;
  if (auto ok = write_sysctl(kTwReuse, "1\n"); !ok) return std::unexpected(ok.error());
  return now->starts_with('2') ? '2' : '0';
}

Result<PortSet> read_reserved() {
  auto text = read_file(kReservedPorts, kMaxSysctl);
  if (!text) return std::unexpected(text.error());
  auto ports = parse_ports(*text);
  if (!ports) return fail(ErrorCode::kInvalid, "read the pod's reserved ports");
  return *ports;
}

}  // namespace

std::optional<PortSet> parse_ports(std::string_view text) {
  PortSet ports;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view range = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    std::uint16_t low = 0, high = 0;
    const char* end = range.data() + range.size();
    auto parsed = std::from_chars(range.data(), end, low);
    if (parsed.ec != std::errc()) return std::nullopt;
    high = low;
    if (parsed.ptr != end && *parsed.ptr == '-')
      parsed = std::from_chars(parsed.ptr + 1, end, high);
    if (parsed.ec != std::errc() || parsed.ptr != end || high < low) return std::nullopt;
    for (unsigned port = low; port <= high; port++) ports.set(port);
  }
  return ports;
}

std::string format_ports(const PortSet& ports) {
  std::string out;
  for (unsigned low = 0; low < ports.size(); low++) {
    if (!ports.test(low)) continue;
    unsigned high = low;
    while (high + 1 < ports.size() && ports.test(high + 1)) high++;
    if (!out.empty()) out += ',';
    out += low == high ? fmt::format("{}", low) : fmt::format("{}-{}", low, high);
    low = high;
  }
  return out;
}

Outcome<SysctlChange> prepare_netns(int netns_fd, std::uint16_t block_first) {
  SysctlChange change;
  auto done = bpf::in_netns(netns_fd, [&]() -> Result<void> {
    auto mptcp = set_mptcp(false);
    if (!mptcp) return std::unexpected(mptcp.error());
    change.mptcp_was_on = *mptcp;
    auto reuse = reuse_time_wait();
    if (!reuse) return std::unexpected(reuse.error());
    change.tw_reuse_was = *reuse;
    auto ports = read_reserved();
    if (!ports) return std::unexpected(ports.error());
    for (unsigned n = 0; n < CV_BLOCK_PORTS; n++) {
      if (ports->test(block_first + n)) continue;
      ports->set(block_first + n);
      change.reserved_added |= 1U << n;
    }
    if (change.reserved_added == 0) return {};
    return write_sysctl(kReservedPorts, format_ports(*ports) + "\n");
  });
  if (!done)
    return problem("prepare the pod's namespace", done.error(), "/proc/sys must be writable");
  return change;
}

Outcome<void> restore_netns(int netns_fd, std::uint16_t block_first, const SysctlChange& change) {
  auto done = bpf::in_netns(netns_fd, [&]() -> Result<void> {
    if (change.mptcp_was_on) {
      if (auto mptcp = set_mptcp(true); !mptcp) return std::unexpected(mptcp.error());
    }
    if (change.tw_reuse_was) {
      const std::string was{*change.tw_reuse_was, '\n'};
      if (auto ok = write_sysctl(kTwReuse, was); !ok) return ok;
    }
    if (change.reserved_added == 0) return {};
    auto ports = read_reserved();
    if (!ports) return std::unexpected(ports.error());
    for (unsigned n = 0; n < CV_BLOCK_PORTS; n++)
      if ((change.reserved_added >> n & 1) != 0) ports->reset(block_first + n);
    return write_sysctl(kReservedPorts, format_ports(*ports) + "\n");
  });
  if (!done) return problem("restore the pod's namespace", done.error());
  return {};
}

}  // namespace culvert::agent
