#include "kernel_capture.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "culvert/bpf/netns.hpp"
#include "culvert/bpf/objects.hpp"
#include "culvert/bpf/syscall.hpp"

namespace culvert::agent {
namespace {

std::unexpected<NetnsProblem> netns_problem(bool gone, std::string what) {
  return std::unexpected(NetnsProblem{
      gone,
      {std::move(what),
       gone ? "name a live network namespace, e.g. one of `ip netns list`" : "run as root"}});
}

}  // namespace

std::expected<OpenNetns, NetnsProblem> open_netns_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) {
    const bool gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO;
    return netns_problem(gone, fmt::format("open {}: {}", path, strerrorname_np(errno)));
  }
  // What `ip netns del` leaves for an instant is a plain file: no answer to the ioctl.
  if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return netns_problem(true, path + " is no network namespace");
  }
  const auto cookie = bpf::netns_cookie(fd.get());
  if (!cookie) return netns_problem(false, path + ": " + cookie.error().to_string());
  return OpenNetns{std::move(fd), *cookie};
}

std::expected<OpenNetns, NetnsProblem> KernelCapture::open_netns(const std::string& path) {
  return open_netns_file(path);
}

KernelCapture::KernelCapture(Datapath datapath, std::string pods_file, GuardMode guard)
    : datapath_(std::move(datapath)), pods_file_(std::move(pods_file)), guard_(guard) {
  const auto own = open_netns_file("/proc/self/ns/net");
  own_netns_cookie_ = own ? own->cookie : 0;
}

Outcome<void> KernelCapture::capture(int netns_fd, const PodSpec& spec) {
  auto done = datapath_.enroll(netns_fd, pod_addresses(spec.ips), spec.guard.value_or(guard_));
  if (!done) return std::unexpected(done.error());
  return {};
}

Outcome<void> KernelCapture::release(std::uint64_t cookie, int netns_fd) {
  return datapath_.unenroll(cookie, netns_fd);
}

Outcome<std::vector<CapturedNetns>> KernelCapture::captured() {
  const auto pods = datapath_.list();
  if (!pods) return std::unexpected(pods.error());
  std::vector<CapturedNetns> out;
  for (const EnrolledPod& pod : *pods)
    out.push_back({.cookie = pod.netns_cookie,
                   .complete = pod.ready && pod.linked && !pod.guard_lost,
                   .unguarded = pod.unguarded});
  return out;
}

// The sk_lookup link of a pod outlives its namespace by its pin, and says so: inode 0. Without a
// link nobody can say; the entry then stays, and refuses.
bool KernelCapture::netns_freed(std::uint64_t cookie) {
  const auto link = bpf::open_pinned(fmt::format("{}/pods/{}", datapath_.pin_dir(), cookie));
  if (!link) return false;
  const auto info = bpf::link_info(link->get());
  return info && info->netns_inode == 0;
}

Outcome<void> KernelCapture::save(const std::string& pods_json) {
  if (auto written = write_file_atomic(pods_file_, pods_json, 0600); !written) {
    return problem("write " + pods_file_, written.error(),
                   "make the folder of --state-dir writable");
  }
  return {};
}

}  // namespace culvert::agent
