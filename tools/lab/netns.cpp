#include "lab/netns.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "lab/names.hpp"
#include "lab/netlink.hpp"

namespace culvert::lab {
namespace {

constexpr const char* kOwnNetns = "/proc/thread-self/ns/net";

// /run/netns is a shared mount of its own (ip-netns(8)), so that unpinning reaches the mount
// namespaces of pods that are running.
Outcome<void> prepare_netns_dir() {
  if (::mkdir(kNetnsDir, 0755) != 0 && errno != EEXIST)
    return system_problem(std::string("create ") + kNetnsDir, errno);
  UniqueFd lock(::open(kNetnsDir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid() || ::flock(lock.get(), LOCK_EX) != 0)
    return system_problem(std::string("lock ") + kNetnsDir, errno);
  if (::mount("", kNetnsDir, "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (errno != EINVAL) return system_problem("make /run/netns shared", errno);
  if (::mount(kNetnsDir, kNetnsDir, "none", MS_BIND | MS_REC, nullptr) != 0 ||
      ::mount("", kNetnsDir, "none", MS_SHARED | MS_REC, nullptr) != 0)
    return system_problem("make /run/netns a shared mount", errno);
  return {};
}

Outcome<void> write_sysctl(const std::string& name, const std::string& value) {
  const std::string path = "/proc/sys/" + name;
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid() || ::write(fd.get(), value.data(), value.size()) < 0)
    return system_problem(fmt::format("set {} to {}", path, value), errno);
  return {};
}

Outcome<void> set_up_inside(const std::string& path, const Sysctls& sysctls) {
  for (const auto& [name, value] : sysctls)
    if (auto written = write_sysctl(name, value); !written) return written;
  auto netlink = Netlink::open();
  if (!netlink) return std::unexpected(netlink.error());
  constexpr int kLoopbackIndex = 1;
  if (auto up = netlink->set_up(kLoopbackIndex); !up) return up;
  if (::mount(kOwnNetns, path.c_str(), "none", MS_BIND, nullptr) != 0)
    return system_problem("pin " + path, errno);
  return {};
}

}  // namespace

std::string netns_path(const std::string& name) {
  return fmt::format("{}/{}", kNetnsDir, name);
}

Outcome<UniqueFd> create_netns(const std::string& name, const Sysctls& sysctls) {
  if (auto prepared = prepare_netns_dir(); !prepared) return std::unexpected(prepared.error());
  const std::string path = netns_path(name);
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  if (!file.valid()) return system_problem("create " + path, errno);
  UniqueFd home(::open(kOwnNetns, O_RDONLY | O_CLOEXEC));
  if (!home.valid() || ::unshare(CLONE_NEWNET) != 0)
    return system_problem("create a network namespace", errno, "run as root");
  auto inside = set_up_inside(path, sysctls);
  if (::setns(home.get(), CLONE_NEWNET) != 0) std::abort();  // never go on in the wrong namespace
  if (!inside) return std::unexpected(inside.error());
  return open_netns(name);
}

Outcome<UniqueFd> open_netns(const std::string& name) {
  UniqueFd fd(::open(netns_path(name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return system_problem("open " + netns_path(name), errno);
  return fd;
}

Outcome<void> delete_netns(const std::string& name) {
  const std::string path = netns_path(name);
  if (::umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT)
    return system_problem("unmount " + path, errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return system_problem("remove " + path, errno);
  return {};
}

std::vector<std::string> list_netns() {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(kNetnsDir, ignored))
    out.push_back(entry.path().filename().string());
  return out;
}

Outcome<NetnsScope> NetnsScope::enter(int netns_fd) {
  UniqueFd home(::open(kOwnNetns, O_RDONLY | O_CLOEXEC));
  if (!home.valid() || ::setns(netns_fd, CLONE_NEWNET) != 0)
    return system_problem("enter a network namespace", errno);
  return NetnsScope(std::move(home));
}

NetnsScope::~NetnsScope() {
  if (home_.valid() && ::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

}  // namespace culvert::lab
