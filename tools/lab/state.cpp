#include "lab/state.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "lab/objects.hpp"

namespace culvert {

static void to_json(nlohmann::json& out, const IpAddress& ip) {
  out = ip.to_string();
}
static void from_json(const nlohmann::json& in, IpAddress& ip) {
  ip = IpAddress::parse(in.get<std::string>()).value_or(IpAddress{});
}
static void to_json(nlohmann::json& out, const IpPrefix& prefix) {
  out = prefix.to_string();
}
static void from_json(const nlohmann::json& in, IpPrefix& prefix) {
  prefix = IpPrefix::parse(in.get<std::string>()).value_or(IpPrefix{});
}

}  // namespace culvert

namespace culvert::lab {

using nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(EnvVar, name, value, field_path)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ContainerPort, name, number, tcp)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Probe, kind, command, path, port, headers, initial_delay_s,
                                   timeout_s)

static void to_json(json& out, const Container& c) {
  out = {{"name", c.name},        {"command", c.command},         {"args", c.args},
         {"env", c.env},          {"working_dir", c.working_dir}, {"ports", c.ports},
         {"waypoint", c.waypoint}};
  if (c.readiness) out["readiness"] = *c.readiness;
}
static void from_json(const json& in, Container& c) {
  in.at("name").get_to(c.name);
  in.at("command").get_to(c.command);
  in.at("args").get_to(c.args);
  in.at("env").get_to(c.env);
  in.at("working_dir").get_to(c.working_dir);
  in.at("ports").get_to(c.ports);
  in.at("waypoint").get_to(c.waypoint);
  if (in.contains("readiness")) c.readiness = in.at("readiness").get<Probe>();
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Pod, ns, name, uid, labels, service_account, node, host_network,
                                   restart_policy, containers, ips, guard, owner, membership, ready,
                                   source, folder, file, line)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Node, name, ips, pod_ranges, source)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Service, ns, name, selector, cluster_ips, headless,
                                   external_name, wants_v4, wants_v6, source, file, line)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Namespace, name, labels)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Gateway, ns, name, class_name, replicas, folder, file, line)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(EdgeGateway, ns, name)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Placement, nodes, namespaces, pods, services, gateways, edges,
                                   waypoint_classes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AddressPlan, fabric_v4, fabric_v6, pods_v4, pods_v6, services_v4,
                                   services_v6)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ConfigFile, copy, original)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LabState, name, mesh, up, mounted_bpffs, plan, objects, files,
                                   control_flags, agent_flags, ztunnel_flags, waypoint_flags)

std::string encode_state(const LabState& state) {
  return json(state).dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Outcome<LabState> decode_state(const std::string& text) {
  const json tree = json::parse(text, nullptr, false);
  try {
    return tree.get<LabState>();
  } catch (const json::exception& error) {
    return problem(fmt::format("lab.json cannot be read: {}", error.what()));
  }
}

Outcome<void> save_state(const LabState& state) {
  const std::string path = LabNames(state.name).state_file();
  if (auto written = write_file_atomic(path, encode_state(state), 0600); !written)
    return problem(fmt::format("{}: {}", path, written.error().to_string()));
  return {};
}

Outcome<LabState> load_state(const LabNames& names) {
  const auto text = read_file(names.state_file());
  if (!text) {
    std::error_code ignored;
    if (std::filesystem::exists(names.dir(), ignored))
      return problem(fmt::format("lab {} was left half made", names.lab()),
                     fmt::format("remove it with: culvert lab down --name {}", names.lab()));
    std::string others;
    for (const std::string& lab : list_labs()) others += " " + lab;
    return problem(fmt::format("there is no lab named {}", names.lab()),
                   others.empty() ? "start one with: culvert lab up -f FILE.yaml"
                                  : "choose one with --name; these exist:" + others);
  }
  auto state = decode_state(*text);
  if (!state) state.error().next = "remove it with: culvert lab down --name " + names.lab();
  return state;
}

std::vector<std::string> list_labs() {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(kLabsDir, ignored))
    if (entry.is_directory(ignored)) out.push_back(entry.path().filename().string());
  std::ranges::sort(out);
  return out;
}

Outcome<LabLock> LabLock::create(const LabNames& names) {
  constexpr int kAttempts = 100;  // against a `down` that removes the parent folder meanwhile
  for (int i = 0; i < kAttempts; ++i) {
    if (auto made = make_dirs(kLabsDir); !made)
      return system_problem(std::string("create ") + kLabsDir, made.error().sys_errno,
                            "run as root");
    if (::mkdir(names.dir().c_str(), 0700) == 0) return open(names);
    if (errno == EEXIST)
      return problem(fmt::format("lab {} exists already", names.lab()),
                     fmt::format("take another --name, or remove it: culvert lab down --name {}",
                                 names.lab()));
    if (errno != ENOENT) break;
  }
  return system_problem("create " + names.dir(), errno, "run as root");
}

Outcome<LabLock> LabLock::open(const LabNames& names) {
  while (true) {
    UniqueFd fd(::open(names.dir().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid() && errno == ENOENT) {
      auto missing = load_state(names);
      return std::unexpected(missing ? Problem{"the lab has just been removed", ""}
                                     : missing.error());
    }
    if (!fd.valid() || ::flock(fd.get(), LOCK_EX) != 0)
      return system_problem("lock " + names.dir(), errno, "run as root");
    struct stat held{}, current{};
    const bool same = ::fstat(fd.get(), &held) == 0 && ::stat(names.dir().c_str(), &current) == 0 &&
                      held.st_ino == current.st_ino && held.st_dev == current.st_dev;
    if (same) return LabLock(std::move(fd));
  }
}

}  // namespace culvert::lab
