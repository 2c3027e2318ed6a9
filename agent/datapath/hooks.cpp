// Opening the datapath: load, attach or take over, set what is node-wide.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <cerrno>
#include <cstring>

#include "culvert/abi/maps.h"
#include "culvert/base/log.hpp"
#include "culvert/bpf/address.hpp"
#include "culvert/bpf/mounts.hpp"
#include "culvert/bpf/objects.hpp"
#include "culvert/bpf/syscall.hpp"
#include "datapath.hpp"
#include "pin_folder.hpp"

namespace culvert::agent {
namespace {

// In the order of attaching: connect last, so that nothing is redirected before its destination can
// be carried along.
constexpr HookSpec kHooks[] = {
    {"getpeername4", "cv_getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
    {"getpeername6", "cv_getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
    {"sockops", "cv_sockops", BPF_CGROUP_SOCK_OPS},
    {"setsockopt", "cv_setsockopt", BPF_CGROUP_SETSOCKOPT},
    {"connect4", "cv_connect4", BPF_CGROUP_INET4_CONNECT},
    {"connect6", "cv_connect6", BPF_CGROUP_INET6_CONNECT},
};
constexpr HookSpec kKubeletHook = {"kubelet", "cv_kubelet_ops", BPF_CGROUP_SOCK_OPS};

Outcome<UniqueFd> lock_folder(const std::string& pin_dir) {
  UniqueFd fd(::open(pin_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid())
    return problem(fmt::format("open {}: {}", pin_dir, strerror(errno)), "run as root");
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return problem("another agent works with " + pin_dir, "stop it, or choose another --bpf-dir");
  return fd;
}

Outcome<UniqueFd> open_cgroup(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid())
    return problem(fmt::format("open the cgroup {}: {}", path, strerror(errno)),
                   "give a folder under the cgroup2 mount");
  return fd;
}

// A cgroup's id is its folder's inode number (kernfs, 64-bit).
std::uint64_t cgroup_id(int cgroup_fd) {
  struct stat st{};
  return fstat(cgroup_fd, &st) == 0 ? st.st_ino : 0;
}

std::vector<cv_exclude_key> wanted_excludes(const DatapathSettings& settings) {
  std::vector<cv_exclude_key> keys;
  for (const IpPrefix& range : settings.exclude_ranges) {
    cv_exclude_key key{};
    key.kind = CV_EXCLUDE_ADDRESS;
    key.prefix_bits = CV_EXCLUDE_KIND_BITS + range.length + (range.address.is_v4() ? 96U : 0U);
    key.data.ip = bpf::to_abi(range.address);
    keys.push_back(key);
  }
  for (const std::uint16_t port : settings.exclude_ports) {
    cv_exclude_key key{};
    key.kind = CV_EXCLUDE_PORT;
    key.prefix_bits = CV_EXCLUDE_KIND_BITS + 16;
    key.data.port_be = htobe16(port);
    keys.push_back(key);
  }
  return keys;
}

Outcome<void> check_settings(const DatapathSettings& settings) {
  if (settings.block_first == 0 || settings.block_first % CV_BLOCK_PORTS != 0)
    return problem("the outbound block must start at a multiple of 16",
                   "use --outbound-ports 288-303");
  if (settings.exclude_ranges.size() + settings.exclude_ports.size() > kMaxExcludes)
    return problem(fmt::format("more than {} excluded ranges and ports", kMaxExcludes));
  return {};
}

}  // namespace

Outcome<Datapath> Datapath::open(const DatapathSettings& settings) {
  if (auto ok = check_settings(settings); !ok) return std::unexpected(ok.error());
  for (const char* folder : {"/links", "/pods", "/guards"}) {
    if (auto made = bpf::make_pin_dir(settings.pin_dir + folder); !made)
      return problem("make " + settings.pin_dir + folder, made.error(),
                     "run as root; give a folder on a bpf file system, without dots in its name");
  }
  auto lock = lock_folder(settings.pin_dir);
  if (!lock) return std::unexpected(lock.error());
  auto programs = Programs::load(settings.pin_dir, {.block_first = settings.block_first,
                                                    .max_handshakes = settings.max_handshakes});
  if (!programs) return std::unexpected(programs.error());
  Datapath datapath(settings, std::move(*programs));
  datapath.lock_ = std::move(*lock);
  if (auto ok = datapath.write_excludes(); !ok) return std::unexpected(ok.error());
  if (auto ok = datapath.adopt_pods(); !ok) return std::unexpected(ok.error());
  for (const HookSpec& hook : kHooks)
    if (auto ok = datapath.attach_hook(hook, settings.cgroup); !ok)
      return std::unexpected(ok.error());
  if (settings.kubelet_cgroup.empty()) {
    if (auto gone = remove_link(settings.pin_dir + "/links/kubelet"); !gone)
      return std::unexpected(gone.error());
  } else if (auto ok = datapath.attach_hook(kKubeletHook, settings.kubelet_cgroup); !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = datapath.programs_.settle(); !ok) return std::unexpected(ok.error());
  return datapath;
}

Outcome<void> Datapath::attach_hook(const HookSpec& hook, const std::string& cgroup) {
  const std::string path = settings_.pin_dir + "/links/" + hook.pin;
  auto cgroup_fd = open_cgroup(cgroup);
  if (!cgroup_fd) return std::unexpected(cgroup_fd.error());
  auto pinned = bpf::open_pinned(path);
  if (pinned) {
    auto info = bpf::link_info(pinned->get());
    if (info && info->cgroup_id == cgroup_id(cgroup_fd->get()))
      return replace_program(pinned->get(), programs_.program_fd(hook.program));
  }
  // None yet, or on a cgroup that is gone or no longer meant: the new one first, then the old one
  // ends.
  auto link = attach_cgroup(programs_.program_fd(hook.program), cgroup_fd->get(), hook.attach_type,
                            placement_);
  if (!link) return std::unexpected(link.error());
  return pin(link->get(), path);
}

Outcome<void> Datapath::write_excludes() {
  const int map = programs_.map_fd("cv_exclude");
  const std::vector<cv_exclude_key> wanted = wanted_excludes(settings_);
  const __u32 one = 1;
  for (const cv_exclude_key& key : wanted)
    if (auto ok = bpf::map_update(map, &key, &one); !ok)
      return problem("write an excluded range", ok.error());
  std::vector<cv_exclude_key> stale;
  cv_exclude_key key{}, next{};
  const void* from = nullptr;
  while (bpf::map_next_key(map, from, &next).value_or(false)) {
    const bool keep = std::any_of(wanted.begin(), wanted.end(), [&](const cv_exclude_key& w) {
      // The trie gives host bits back as they were written.
      return std::memcmp(&w, &next, sizeof next) == 0;
    });
    if (!keep) stale.push_back(next);
    key = next;
    from = &key;
  }
  for (const cv_exclude_key& old : stale) (void)bpf::map_delete(map, &old);
  return {};
}

Outcome<std::vector<std::string>> Datapath::check_order() {
  std::vector<std::string> warnings;
  auto cgroup_fd = open_cgroup(settings_.cgroup);
  if (!cgroup_fd) return std::unexpected(cgroup_fd.error());
  for (const HookSpec& hook : kHooks) {
    auto info = bpf::program_info(programs_.program_fd(hook.program));
    if (!info) return problem("ask about our programs", info.error());
    auto order = programs_on(cgroup_fd->get(), hook.attach_type, info->id);
    if (!order) return std::unexpected(order.error());
    if (order->ours && order->before.empty()) continue;
    auto link = attach_cgroup(programs_.program_fd(hook.program), cgroup_fd->get(),
                              hook.attach_type, placement_);
    if (!link) return std::unexpected(link.error());
    // A kernel without an order would put the new link last: the old one stays.
    const bool moves = placement_ != Placement::kPlain || !order->ours;
    if (moves) {
      if (auto ok = pin(link->get(), settings_.pin_dir + "/links/" + hook.pin); !ok)
        return std::unexpected(ok.error());
      order = programs_on(cgroup_fd->get(), hook.attach_type, info->id);
      if (!order) return std::unexpected(order.error());
      if (order->ours && order->before.empty()) continue;
    }
    warnings.push_back(fmt::format(
        "{}: {} runs before Culvert; a load balancer there hides service addresses, and "
        "connections are then routed by backend{}",
        bpf::attach_type_name(hook.attach_type), fmt::join(order->before, ", "),
        placement_ != Placement::kPlain ? ""
                                        : "; on this kernel (before 6.15) give the pods' "
                                          "parent cgroup as --cgroup"));
  }
  return warnings;
}

Outcome<void> Datapath::adopt_pods() {
  if (auto ok = programs_.serve_guards(); !ok) return ok;
  for (const std::string& name : pinned_names(settings_.pin_dir + "/pods")) {
    const std::uint64_t cookie = std::strtoull(name.c_str(), nullptr, 10);
    auto link = bpf::open_pinned(settings_.pin_dir + "/pods/" + name);
    auto info = link ? bpf::link_info(link->get()) : std::unexpected(link.error());
    if (!info || info->netns_inode == 0) {
      log::info("pod namespace {} is gone, forgetting it", cookie);
      if (auto ok = unenroll(cookie, -1); !ok) return ok;
      continue;
    }
    auto program = programs_.load_sk_lookup(cookie);
    if (!program) return std::unexpected(program.error());
    if (auto ok = replace_program(link->get(), program->get()); !ok) return ok;
    if (auto ok = adopt_guards(cookie); !ok) return ok;
  }
  return {};
}

}  // namespace culvert::agent
