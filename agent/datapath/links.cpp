// BPF_LINK_CREATE, BPF_LINK_UPDATE, pins.
#include "links.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "culvert/abi/kernel.h"
#include "culvert/bpf/objects.hpp"
#include "culvert/bpf/syscall.hpp"

namespace culvert::agent {
namespace {

// The head of the kernel's attr for BPF_LINK_CREATE on cgroups; Debian's header (6.1) ends at
// flags.
struct CgroupLinkAttr {
  std::uint32_t prog_fd, target_fd, attach_type, flags;
  std::uint32_t relative_fd, pad;
  std::uint64_t expected_revision;
};
static_assert(sizeof(CgroupLinkAttr) <= sizeof(bpf_attr));

// `target` is a descriptor, or the number of an interface.
int create(int program_fd, int target, std::uint32_t attach_type, std::uint32_t flags) {
  const CgroupLinkAttr wanted{.prog_fd = static_cast<std::uint32_t>(program_fd),
                              .target_fd = static_cast<std::uint32_t>(target),
                              .attach_type = attach_type,
                              .flags = flags};
  bpf_attr attr{};
  std::memcpy(&attr, &wanted, sizeof wanted);
  return bpf::call(BPF_LINK_CREATE, attr);
}

constexpr struct {
  Placement placement;
  std::uint32_t flags;
} kPlacements[] = {{Placement::kBefore, CV_BPF_F_BEFORE},
                   {Placement::kPreorder, CV_BPF_F_PREORDER},
                   {Placement::kPlain, 0}};

}  // namespace

const char* placement_name(Placement placement) {
  switch (placement) {
    case Placement::kBefore:
      return "before";
    case Placement::kPreorder:
      return "preorder";
    case Placement::kPlain:
      return "plain";
  }
  return "plain";
}

Outcome<UniqueFd> attach_cgroup(int program_fd, int cgroup_fd, std::uint32_t attach_type,
                                Placement& placed) {
  int rc = -EINVAL;
  for (const auto& way : kPlacements) {
    rc = create(program_fd, cgroup_fd, attach_type, way.flags);
    if (rc >= 0) {
      placed = way.placement;
      return UniqueFd(rc);
    }
    if (rc != -EINVAL) break;  // EINVAL: the kernel does not know the flag
  }
  return problem(
      fmt::format("attach {} to the cgroup: {}", bpf::attach_type_name(attach_type), strerror(-rc)),
      rc == -EPERM ? "run as root; another program may hold this cgroup's hook exclusively "
                     "(bpftool cgroup tree shows it)"
                   : "run culvert-agent probe");
}

Outcome<UniqueFd> attach_netns(int program_fd, int netns_fd) {
  const int rc = create(program_fd, netns_fd, BPF_SK_LOOKUP, 0);
  if (rc < 0) return problem(fmt::format("attach sk_lookup: {}", strerror(-rc)));
  return UniqueFd(rc);
}

Outcome<UniqueFd> attach_egress(int program_fd, unsigned ifindex, bool& no_tcx) {
  const int rc = create(program_fd, static_cast<int>(ifindex), CV_BPF_TCX_EGRESS, CV_BPF_F_BEFORE);
  no_tcx = rc == -EINVAL;  // an attach type that bpf(2) does not know
  if (rc < 0) return problem(fmt::format("attach tcx egress: {}", strerror(-rc)));
  return UniqueFd(rc);
}

Outcome<void> replace_program(int link_fd, int program_fd) {
  bpf_attr attr{};
  attr.link_update.link_fd = static_cast<__u32>(link_fd);
  attr.link_update.new_prog_fd = static_cast<__u32>(program_fd);
  const int rc = bpf::call(BPF_LINK_UPDATE, attr);
  if (rc < 0) return problem(fmt::format("swap a link's program: {}", strerror(-rc)));
  return {};
}

Outcome<void> pin(int fd, const std::string& path) {
  const std::string fresh = path + "_new";  // bpffs takes no dots
  unlink(fresh.c_str());
  bpf_attr attr{};
  attr.pathname = reinterpret_cast<std::uintptr_t>(fresh.c_str());
  attr.bpf_fd = static_cast<__u32>(fd);
  const int rc = bpf::call(BPF_OBJ_PIN, attr);
  if (rc < 0) return problem(fmt::format("pin {}: {}", path, strerror(-rc)));
  if (rename(fresh.c_str(), path.c_str()) != 0)
    return problem(fmt::format("pin {}: {}", path, strerror(errno)));
  return {};
}

Outcome<bool> remove_link(const std::string& path) {
  auto fd = bpf::open_pinned(path);
  if (!fd && fd.error().code == ErrorCode::kNotFound) return false;
  if (!fd) return problem("open " + path, fd.error());
  bpf_attr attr{};
  attr.link_detach.link_fd = static_cast<__u32>(fd->get());
  bpf::call(BPF_LINK_DETACH, attr);  // its cgroup or namespace may be gone already
  if (unlink(path.c_str()) != 0)
    return problem(fmt::format("remove {}: {}", path, strerror(errno)));
  return true;
}

bool can_place(Placement placement, int program_fd, int cgroup_fd, std::uint32_t attach_type) {
  for (const auto& way : kPlacements) {
    if (way.placement != placement) continue;
    const UniqueFd link(create(program_fd, cgroup_fd, attach_type, way.flags));
    return link.valid();
  }
  return false;
}

Outcome<HookPrograms> programs_on(int cgroup_fd, std::uint32_t attach_type,
                                  std::uint32_t program_id) {
  auto ids = bpf::effective_programs(cgroup_fd, attach_type);
  if (!ids) return problem("query " + bpf::attach_type_name(attach_type), ids.error());
  HookPrograms out;
  for (const std::uint32_t id : *ids) {
    auto program = bpf::program_by_id(id);
    auto info = program ? bpf::program_info(program->get()) : std::unexpected(program.error());
    const std::string name =
        info && !info->name.empty() ? info->name : fmt::format("program {}", id);
    out.all.push_back(name);
    out.ours = out.ours || id == program_id;
    if (!out.ours) out.before.push_back(name);
  }
  return out;
}

}  // namespace culvert::agent
