// Taking everything down, and listing pins.
#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "culvert/bpf/syscall.hpp"
#include "datapath.hpp"
#include "pin_folder.hpp"

namespace culvert::agent {
namespace {

// Redirection ends first (connect), what it leans on last.
std::vector<std::string> in_detach_order(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const bool redirecting : {true, false})
    for (const std::string& name : names)
      if (name.starts_with("connect") == redirecting) out.push_back(name);
  return out;
}

Outcome<unsigned> remove_links(const std::string& folder) {
  unsigned removed = 0;
  for (const std::string& name : in_detach_order(pinned_names(folder))) {
    auto done = remove_link(folder + "/" + name);
    if (!done) return std::unexpected(done.error());
    removed += *done ? 1 : 0;
  }
  rmdir(folder.c_str());
  return removed;
}

// A guard that hangs on a qdisc stays in its namespace, with its maps; without the pods' entries it
// lets everything pass.
void forget_pods(const std::string& pin_dir) {
  const auto pods = bpf::open_pinned(pin_dir + "/cv_pod");
  std::uint64_t cookie = 0;
  while (pods && bpf::map_next_key(pods->get(), nullptr, &cookie).value_or(false))
    if (!bpf::map_delete(pods->get(), &cookie).value_or(false)) return;
}

}  // namespace

std::vector<std::string> pinned_names(const std::string& folder) {
  std::vector<std::string> names;
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

Outcome<unsigned> unload(const std::string& pin_dir) {
  if (access(pin_dir.c_str(), F_OK) != 0)
    return problem(fmt::format("nothing is pinned in {}: {}", pin_dir, strerror(errno)));
  forget_pods(pin_dir);
  unsigned removed = 0;
  for (const char* folder : {"/links", "/guards", "/pods"}) {
    auto links = remove_links(pin_dir + folder);
    if (!links) return std::unexpected(links.error());
    removed += *links;
  }
  for (const std::string& name : pinned_names(pin_dir)) {
    if (unlink((pin_dir + "/" + name).c_str()) != 0)
      return problem(fmt::format("remove {}/{}: {}", pin_dir, name, strerror(errno)));
  }
  if (rmdir(pin_dir.c_str()) != 0)
    return problem(fmt::format("remove {}: {}", pin_dir, strerror(errno)));
  return removed;
}

}  // namespace culvert::agent
