// `culvert lab down`: one path for sound, half-made and crashed labs. It goes by names alone and
// needs neither lab.json nor the supervisor.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <set>

#include "lab/cgroup.hpp"
#include "lab/components.hpp"
#include "lab/lab.hpp"
#include "lab/netns.hpp"
#include "lab/supervisor_protocol.hpp"

namespace culvert::lab {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::seconds kShutdownWait{8};

void remove_state(const LabNames& names) {
  std::error_code ignored;
  fs::remove_all(names.dir(), ignored);
  ::rmdir(kLabsDir);  // fails while there are other labs
  ::rmdir(fs::path(kLabsDir).parent_path().c_str());
}

}  // namespace

std::vector<std::string> labs_with_remains() {
  std::set<std::string> out;
  for (const std::string& lab : list_labs()) out.insert(lab);
  std::error_code ignored;
  if (const auto mount = cgroup2_mount(); mount)
    for (const auto& entry : fs::directory_iterator(*mount + "/culvert/lab", ignored))
      if (entry.is_directory(ignored)) out.insert(entry.path().filename().string());
  return {out.begin(), out.end()};
}

Outcome<void> lab_down(const std::string& lab) {
  auto name = check_lab_name(lab);
  if (!name) return std::unexpected(name.error());
  if (::geteuid() != 0) return problem("a lab needs root", "run: sudo culvert lab down ...");
  const LabNames names(*name);
  std::error_code ignored;
  const auto mount = cgroup2_mount();
  bool anything = fs::exists(names.dir(), ignored) ||
                  (mount && fs::exists(*mount + "/" + names.cgroup(), ignored));
  for (const std::string& netns : list_netns()) anything = anything || names.owns_netns(netns);
  if (!anything) {
    auto missing = load_state(names);
    if (!missing) return std::unexpected(missing.error());
  }

  std::optional<LabLock> lock;
  if (fs::exists(names.dir(), ignored)) {
    auto held = LabLock::open(names);
    if (held) lock.emplace(std::move(*held));
  }
  // Lets the processes end by themselves; whoever does not is killed with the cgroup.
  (void)ask_supervisor(names.supervisor_socket(), {.op = SupervisorOp::kShutdown}, kShutdownWait);
  if (auto removed = remove_cgroup(names.cgroup()); !removed) return removed;
  remove_cgroup_if_empty("culvert/lab");
  remove_cgroup_if_empty("culvert");
  for (const std::string& netns : list_netns())
    if (names.owns_netns(netns))
      if (auto removed = delete_netns(netns); !removed) return removed;
  if (auto removed = remove_pins(names); !removed) return removed;
  remove_state(names);
  return {};
}

}  // namespace culvert::lab
