#include "lab/cgroup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <sstream>

namespace culvert::lab {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::seconds kEmptyWait{10};

Outcome<void> write_text(const std::string& path, std::string_view text) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid() || ::write(fd.get(), text.data(), text.size()) < 0)
    return system_problem("write " + path, errno);
  return {};
}

// cgroup.events changes, and poll(2) reports POLLPRI, when the last process has left.
Outcome<void> wait_empty(const std::string& path) {
  const auto end = std::chrono::steady_clock::now() + kEmptyWait;
  UniqueFd fd(::open((path + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return {};
  while (true) {
    char text[256] = {};
    if (::pread(fd.get(), text, sizeof text - 1, 0) < 0) return {};
    if (std::string_view(text).find("populated 0") != std::string_view::npos) return {};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return problem(fmt::format("processes in {} did not die", path),
                     fmt::format("see them with: cat {}/cgroup.procs", path));
    pollfd event{fd.get(), POLLPRI, 0};
    ::poll(&event, 1, static_cast<int>(left.count()));
  }
}

void remove_tree(const std::string& path) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path, ignored))
    if (entry.is_directory(ignored)) remove_tree(entry.path().string());
  ::rmdir(path.c_str());
}

}  // namespace

std::string find_cgroup2(std::string_view mountinfo) {
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos || line.compare(dash + 3, 8, "cgroup2 ") != 0) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, mount;
    fields >> id >> parent >> device >> root >> mount;
    if (root == "/") return mount;
  }
  return {};
}

Outcome<std::string> cgroup2_mount() {
  const auto text = read_file("/proc/self/mountinfo");
  std::string found = text ? find_cgroup2(*text) : "";
  if (found.empty())
    return problem("no cgroup2 file system is mounted",
                   "mount one: mount -t cgroup2 none /sys/fs/cgroup/unified");
  return found;
}

Outcome<std::string> create_cgroup(const std::string& path) {
  auto mount = cgroup2_mount();
  if (!mount) return mount;
  const std::string full = *mount + "/" + path;
  if (auto made = make_dirs(full); !made)
    return system_problem("create cgroup " + full, made.error().sys_errno, "run as root");
  return full;
}

Outcome<void> remove_cgroup(const std::string& path) {
  auto mount = cgroup2_mount();
  if (!mount) return std::unexpected(mount.error());
  const std::string full = *mount + "/" + path;
  std::error_code ignored;
  if (!fs::exists(full, ignored)) return {};
  if (auto killed = write_text(full + "/cgroup.kill", "1"); !killed) return killed;
  if (auto empty = wait_empty(full); !empty) return empty;
  remove_tree(full);
  if (fs::exists(full, ignored))
    return problem(fmt::format("cgroup {} could not be removed", full));
  return {};
}

void remove_cgroup_if_empty(const std::string& path) {
  if (auto mount = cgroup2_mount(); mount) ::rmdir((*mount + "/" + path).c_str());
}

Outcome<void> join_cgroup(const std::string& full_path) {
  return write_text(full_path + "/cgroup.procs", "0");
}

}  // namespace culvert::lab
