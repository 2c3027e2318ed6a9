// The probes. Names the kernel that brought each feature for people; decides by trying.
#include "probe.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <iterator>
#include <thread>

#include "clsact.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/bpf/mounts.hpp"
#include "culvert/bpf/netns.hpp"
#include "culvert/bpf/objects.hpp"
#include "links.hpp"

namespace culvert::agent {
namespace {

constexpr const char* kCannotRun = "capture does not work on this node";

struct TypeRow {
  int type;
  const char* name;
  const char* since;
};
constexpr TypeRow kPrograms[] = {{BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "cgroup_sock_addr", "4.17"},
                                 {BPF_PROG_TYPE_SOCK_OPS, "sock_ops", "4.13"},
                                 {BPF_PROG_TYPE_SK_LOOKUP, "sk_lookup", "5.9"},
                                 {BPF_PROG_TYPE_SCHED_CLS, "sched_cls", "4.1"},
                                 {BPF_PROG_TYPE_CGROUP_SOCKOPT, "cgroup_sockopt", "5.3"}};
constexpr TypeRow kMaps[] = {{BPF_MAP_TYPE_HASH, "hash", "3.19"},
                             {BPF_MAP_TYPE_PERCPU_HASH, "percpu_hash", "4.6"},
                             {BPF_MAP_TYPE_LPM_TRIE, "lpm_trie", "4.11"},
                             {BPF_MAP_TYPE_SOCKHASH, "sockhash", "4.18"},
                             {BPF_MAP_TYPE_SK_STORAGE, "sk_storage", "5.2"},
                             {BPF_MAP_TYPE_PROG_ARRAY, "prog_array", "4.2"}};

struct HelperRow {
  bpf_prog_type type;
  bpf_func_id helper;
  const char* name;
  const char* since;
  bool required;
  const char* without;
};
constexpr HelperRow kHelpers[] = {
    {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_get_netns_cookie, "connect: bpf_get_netns_cookie",
     "5.7", true, kCannotRun},
    {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_sk_storage_get, "connect: bpf_sk_storage_get", "5.8",
     true, kCannotRun},
    {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval, "connect: bpf_set_retval", "5.18", false,
     "refused connects fail with EPERM instead of ECONNREFUSED or ENETUNREACH"},
    {BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_netns_cookie, "sockops: bpf_get_netns_cookie", "5.15",
     true, kCannotRun},
    {BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_sk_storage_get, "sockops: bpf_sk_storage_get", "5.8", true,
     kCannotRun},
    {BPF_PROG_TYPE_SK_LOOKUP, BPF_FUNC_sk_assign, "sk_lookup: bpf_sk_assign", "5.9", true,
     kCannotRun},
    {BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_sk_storage_get, "guard: bpf_sk_storage_get", "5.2", true,
     kCannotRun},
    {BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_FUNC_get_netns_cookie, "setsockopt: bpf_get_netns_cookie",
     "5.15", true, kCannotRun},
};

struct AttachRow {
  bpf_prog_type program;
  bpf_attach_type attach;
  const char* since;
};
constexpr AttachRow kAttach[] = {
    {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, "4.17"},
    {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_CONNECT, "4.17"},
    {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME, "5.8"},
    {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_GETPEERNAME, "5.8"},
    {BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, "4.13"},
    {BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_SETSOCKOPT, "5.3"},
};

// "return 1", which every hook here takes for "go on".
UniqueFd tiny_program(bpf_prog_type type, bpf_attach_type attach) {
  const bpf_insn code[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
      {.code = BPF_JMP | BPF_EXIT},
  };
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach);
  return UniqueFd(bpf_prog_load(type, "cv_probe", "Dual BSD/GPL", code, std::size(code), &options));
}

// A cgroup of the probe's own, gone with the object.
class ProbeCgroup {
 public:
  explicit ProbeCgroup(const std::string& mount)
      : path_(fmt::format("{}/culvert-probe-{}", mount, getpid())) {
    if (!mount.empty() && mkdir(path_.c_str(), 0755) == 0)
      fd_ = UniqueFd(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ProbeCgroup(const ProbeCgroup&) = delete;
  ProbeCgroup& operator=(const ProbeCgroup&) = delete;
  ~ProbeCgroup() {
    if (fd_.valid()) rmdir(path_.c_str());
  }
  int fd() const { return fd_.get(); }

 private:
  std::string path_;
  UniqueFd fd_;
};

void probe_types(ProbeReport& report) {
  for (const TypeRow& row : kPrograms)
    report.rows.push_back(
        {.feature = fmt::format("program type {}", row.name),
         .there = libbpf_probe_bpf_prog_type(static_cast<bpf_prog_type>(row.type), nullptr) == 1,
         .required = true,
         .since = row.since,
         .without = kCannotRun});
  for (const TypeRow& row : kMaps)
    report.rows.push_back(
        {.feature = fmt::format("map type {}", row.name),
         .there = libbpf_probe_bpf_map_type(static_cast<bpf_map_type>(row.type), nullptr) == 1,
         .required = true,
         .since = row.since,
         .without = kCannotRun});
}

void probe_helpers(ProbeReport& report, bool only_optional = false) {
  for (const HelperRow& row : kHelpers)
    if (!only_optional || !row.required)
      report.rows.push_back({.feature = row.name,
                             .there = libbpf_probe_bpf_helper(row.type, row.helper, nullptr) == 1,
                             .required = row.required,
                             .since = row.since,
                             .without = row.without});
}

void probe_cgroup_links(ProbeReport& report) {
  const ProbeCgroup cgroup(report.cgroup2);
  for (const AttachRow& row : kAttach) {
    const UniqueFd program = tiny_program(row.program, row.attach);
    Placement placed = Placement::kPlain;
    auto link = attach_cgroup(program.get(), cgroup.fd(), row.attach, placed);
    report.rows.push_back({.feature = "cgroup link " + bpf::attach_type_name(row.attach),
                           .there = link.has_value(),
                           .required = true,
                           .since = row.since,
                           .without = kCannotRun,
                           .detail = link ? "" : link.error().what});
  }
}

// Where a kernel has neither order, ours stands where it was attached.
void probe_orders(ProbeReport& report) {
  constexpr const char* kAsAttached =
      "programs run as they were attached: if another comes first, give the pods' parent cgroup "
      "as --cgroup, whose programs run before its parents'";
  const ProbeCgroup cgroup(report.cgroup2);
  const UniqueFd program = tiny_program(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT);
  const auto has = [&](Placement placement) {
    return can_place(placement, program.get(), cgroup.fd(), BPF_CGROUP_INET4_CONNECT);
  };
  const bool preorder = has(Placement::kPreorder);
  report.rows.push_back({.feature = "cgroup order BPF_F_BEFORE",
                         .there = has(Placement::kBefore),
                         .since = "6.17",
                         .without = preorder ? "BPF_F_PREORDER is used" : kAsAttached});
  report.rows.push_back({.feature = "cgroup order BPF_F_PREORDER",
                         .there = preorder,
                         .since = "6.15",
                         .without = kAsAttached});
}

// Runs in a namespace made for it, by a thread that ends with it.
void in_own_netns(ProbeRow& row, const std::function<void()>& work) {
  std::thread([&] {
    if (unshare(CLONE_NEWNET) == 0) return work();
    row.detail = fmt::format("make a network namespace: {}", strerror(errno));
  }).join();
}

void probe_netns_link(ProbeReport& report) {
  ProbeRow row{
      .feature = "netns link sk_lookup", .required = true, .since = "5.9", .without = kCannotRun};
  ProbeRow cookie{
      .feature = "SO_NETNS_COOKIE", .required = true, .since = "5.14", .without = kCannotRun};
  in_own_netns(row, [&] {
    const UniqueFd netns(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    const UniqueFd program = tiny_program(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP);
    auto link = attach_netns(program.get(), netns.get());
    row.there = link.has_value();
    if (!link) row.detail = link.error().what;
    const UniqueFd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    cookie.there = bpf::netns_cookie(socket_fd.get()).has_value();
  });
  report.rows.push_back(row);
  report.rows.push_back(cookie);
}

// The guard's two ways of being attached; the older one is tried where the newer one is missing.
void probe_guard(ProbeReport& report) {
  ProbeRow tcx{.feature = "tcx egress link",
               .since = "6.6",
               .without =
                   "a clsact filter is the guard: root in the pod can take it away, the "
                   "agent puts it back within seconds and says so"};
  ProbeRow clsact{.feature = "clsact filter",
                  .required = true,
                  .since = "4.5",
                  .without = "pods with a guard are refused: modprobe sch_ingress cls_bpf"};
  in_own_netns(tcx, [&] {
    const UniqueFd egress = tiny_program(BPF_PROG_TYPE_SCHED_CLS, static_cast<bpf_attach_type>(0));
    const unsigned loopback = if_nametoindex("lo");
    bool no_tcx = false;
    tcx.there = attach_egress(egress.get(), loopback, no_tcx).has_value();
    if (tcx.there) return;
    ClsactChange change;
    const auto attached = attach_clsact(egress.get(), loopback, change);
    clsact.there = attached.has_value();
    if (!attached) clsact.detail = attached.error().what;
  });
  report.rows.push_back(tcx);
  if (!tcx.there) report.rows.push_back(clsact);
}

void probe_kernel(ProbeReport& report) {
  libbpf_set_print(nullptr);
  utsname name{};
  if (uname(&name) == 0) report.kernel = name.release;
  report.cgroup2 = bpf::cgroup2_mount().value_or("");
}

void probe_mounts(ProbeReport& report) {
  report.bpffs = bpf::bpffs_mount().value_or("");
  report.rows.push_back({.feature = "cgroup2 mount",
                         .there = !report.cgroup2.empty(),
                         .required = true,
                         .since = "4.5",
                         .without = "mount -t cgroup2 none DIR, and start the agent again",
                         .detail = report.cgroup2});
  report.rows.push_back({.feature = "bpf file system",
                         .there = !report.bpffs.empty(),
                         .required = true,
                         .since = "4.4",
                         .without = "nothing could be pinned: mount -t bpf bpf /sys/fs/bpf",
                         .detail = report.bpffs});
  report.rows.push_back({.feature = "run statistics",
                         .there = bpf::enable_run_statistics().has_value(),
                         .since = "5.8",
                         .without = "culvert maps programs shows no run times"});
}

// Who runs at each hook, and whether ours can be put there at all.
void probe_hooks(ProbeReport& report) {
  const UniqueFd cgroup(open(report.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const AttachRow& row : kAttach) {
    HookOrder order{.hook = bpf::attach_type_name(row.attach)};
    auto names = programs_on(cgroup.get(), row.attach, 0);
    if (!names) {
      order.warning = names.error().what;
      report.hooks.push_back(order);
      continue;
    }
    order.programs = names->all;
    const auto ours = std::find_if(order.programs.begin(), order.programs.end(),
                                   [](const std::string& n) { return n.starts_with("cv_"); });
    if (ours != order.programs.begin() && ours != order.programs.end())
      order.warning = order.programs.front() +
                      " runs before Culvert: service addresses are lost to a load balancer there";
    const UniqueFd program = tiny_program(row.program, row.attach);
    Placement placed = Placement::kPlain;
    if (auto link = attach_cgroup(program.get(), cgroup.get(), row.attach, placed); !link)
      order.warning = link.error().what + "; " + link.error().next;
    report.hooks.push_back(order);
  }
}

}  // namespace

bool ProbeReport::usable() const {
  return std::all_of(rows.begin(), rows.end(),
                     [](const ProbeRow& row) { return row.there || !row.required; });
}

std::vector<ProbeRow> ProbeReport::fallbacks() const {
  std::vector<ProbeRow> out;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(out),
               [](const ProbeRow& row) { return !row.there && !row.required; });
  return out;
}

std::string kernel_line() {
  ProbeReport report;
  probe_kernel(report);
  probe_helpers(report, true);
  probe_orders(report);
  probe_guard(report);
  std::string line = "kernel " + report.kernel;
  const std::vector<ProbeRow> missing = report.fallbacks();
  if (missing.empty()) return line + ": nothing is done in an older way";
  for (const ProbeRow& row : missing)
    line += fmt::format("; without {} ({}): {}", row.feature, row.since, row.without);
  return line;
}

ProbeReport probe(const std::string& cgroup) {
  ProbeReport report;
  probe_kernel(report);
  probe_mounts(report);
  probe_types(report);
  probe_helpers(report);
  probe_cgroup_links(report);
  probe_orders(report);
  probe_netns_link(report);
  probe_guard(report);
  report.cgroup = cgroup.empty() ? report.cgroup2 : cgroup;
  probe_hooks(report);
  return report;
}

}  // namespace culvert::agent
