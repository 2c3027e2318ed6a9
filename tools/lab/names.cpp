#include "lab/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "culvert/config/waypoint_names.hpp"

namespace culvert::lab {

std::unexpected<Problem> system_problem(const std::string& text, int sys_errno, std::string next) {
  return problem(fmt::format("{}: {}", text, std::strerror(sys_errno)), std::move(next));
}

Outcome<std::string> check_lab_name(std::string_view name) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool characters = std::ranges::all_of(name, [&](char c) { return alnum(c) || c == '-'; });
  if (name.empty() || name.size() > kLabNameMax || !characters || !alnum(name.front()) ||
      !alnum(name.back()))
    return problem(fmt::format("\"{}\" cannot be a lab's name", name),
                   fmt::format("use 1 to {} of a-z, 0-9 and -, starting and ending with a letter "
                               "or digit",
                               kLabNameMax));
  const std::string padded = fmt::format("{}-", name);
  if (padded.find("-n-") != std::string::npos || padded.find("-p-") != std::string::npos)
    return problem(
        fmt::format("\"{}\" cannot be a lab's name: \"-n\" and \"-p\" as a part of their "
                    "own mark nodes and pods in netns names",
                    name),
        "choose another --name");
  return std::string(name);
}

bool is_path_safe(std::string_view name) {
  const auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= kObjectNameMax && alnum(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return alnum(c) || c == '-' || c == '.'; });
}

std::uint64_t name_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

std::string bounded_name(std::string_view text) {
  if (text.size() <= kFileNameMax) return std::string(text);
  return fmt::format("{}-{:016x}", text.substr(0, kFileNameMax - 17), name_hash(text));
}

std::string interface_name(std::string_view prefix, std::string_view owner) {
  return fmt::format("{}{:010x}", prefix.substr(0, kInterfaceNameMax - 10),
                     name_hash(owner) & 0xffffffffffULL);
}

// A namespace holds no "_" (RFC 1123 label), so the first one ends it.
static std::string pod_file(std::string_view ns, std::string_view pod) {
  return bounded_name(fmt::format("{}_{}", ns, pod));
}

std::string LabNames::node_dir(std::string_view node) const {
  return fmt::format("{}/nodes/{}", dir(), bounded_name(node));
}
std::string LabNames::node_socket(std::string_view node, std::string_view file) const {
  return fmt::format("{}/{}", node_dir(node), file);
}
std::string LabNames::pod_dir(std::string_view ns, std::string_view pod) const {
  return fmt::format("{}/pods/{}", dir(), pod_file(ns, pod));
}
std::string LabNames::proxy_dir(std::string_view ns, std::string_view pod) const {
  return control_sockets() + "/" + config::proxy_folder(ns, pod);
}

std::string LabNames::pod_hosts(std::string_view ns, std::string_view pod) const {
  return pod_dir(ns, pod) + "/hosts";
}
std::string LabNames::pod_log(std::string_view ns, std::string_view pod,
                              std::string_view container) const {
  return fmt::format("{}/logs/{}/{}.log", dir(), pod_file(ns, pod), container);
}
std::string LabNames::node_log(std::string_view node, std::string_view component) const {
  return fmt::format("{}/logs/node_{}/{}.log", dir(), bounded_name(node), component);
}

std::string LabNames::node_netns(std::string_view node) const {
  return bounded_name(fmt::format("{}n-{}", netns_prefix(), node));
}
std::string LabNames::pod_netns(std::string_view ns, std::string_view pod) const {
  return bounded_name(fmt::format("{}p-{}-{}", netns_prefix(), ns, pod));
}
bool LabNames::owns_netns(std::string_view netns) const {
  const std::string prefix = netns_prefix();
  if (!netns.starts_with(prefix)) return false;
  const std::string_view rest = netns.substr(prefix.size());
  return rest == "fabric" || rest == "control" || rest.starts_with("n-") || rest.starts_with("p-");
}

std::string LabNames::node_cgroup(std::string_view node) const {
  return fmt::format("{}/{}", cgroup(), bounded_name(node));
}
std::string LabNames::pod_cgroup(std::string_view node, std::string_view uid) const {
  return fmt::format("{}/pods/{}", node_cgroup(node), uid);
}
std::string LabNames::node_pins(std::string_view node) const {
  return fmt::format("{}/{}", pins(), bounded_name(node));
}

}  // namespace culvert::lab
