#include "culvert/mesh_source.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "culvert/admin/http_client.hpp"
#include "culvert/bpf/mounts.hpp"
#include "culvert/config/nearest.hpp"
#include "lab/config_folder.hpp"
#include "lab/netns.hpp"

namespace culvert::cli {
namespace {

constexpr std::chrono::milliseconds kAskTimeout{5000};
constexpr std::uint16_t kZtunnelAdminPort = 15000;
constexpr std::uint16_t kWaypointAdminPort = 15000;  // in its pod

lab::Outcome<Json> read_answer(const Result<admin::Response>& answer, const std::string& whom,
                               const std::string& lab) {
  const std::string next = fmt::format("see culvert status --name {}", lab);
  if (!answer) return lab::problem(fmt::format("{}: {}", whom, answer.error().to_string()), next);
  Json body = Json::parse(answer->body, nullptr, false);
  if (answer->status == 200 && !body.is_discarded()) return body;
  const bool told = body.is_object() && body.contains("error") && body["error"].is_string();
  return lab::problem(fmt::format("{} answers {}{}", whom, answer->status,
                                  told ? ": " + body["error"].get<std::string>() : ""),
                      next);
}

}  // namespace

std::string did_you_mean(const std::string& text, const std::vector<std::string>& candidates,
                         const std::string& otherwise) {
  const std::string near = config::nearest(text, candidates);
  return near.empty() ? otherwise : fmt::format("did you mean {}?", near);
}

lab::Outcome<MeshSource> MeshSource::open(const std::string& lab_name) {
  auto state = lab::load_state(lab::LabNames(lab_name));
  if (!state) return std::unexpected(state.error());
  if (!state->mesh)
    return lab::problem(fmt::format("lab {} runs without the mesh (--mesh=none)", lab_name),
                        "bring it up with the mesh, or name another lab with --name");
  return MeshSource(std::move(*state));
}

lab::Outcome<std::vector<std::string>> MeshSource::nodes(const std::string& only) const {
  std::vector<std::string> all;
  for (const lab::Node& node : state_.objects.nodes) all.push_back(node.name);
  if (only.empty()) return all;
  if (std::ranges::find(all, only) != all.end()) return std::vector{only};
  return lab::problem(fmt::format("lab {} has no node {}", state_.name, only),
                      did_you_mean(only, all, fmt::format("its nodes: {}", fmt::join(all, ", "))));
}

lab::Outcome<Json> MeshSource::control(const std::string& target) const {
  return read_answer(admin::call(names_.control_admin(), "GET", target, "", kAskTimeout), "control",
                     state_.name);
}

lab::Outcome<Json> MeshSource::agent(const std::string& node, const std::string& target) const {
  return read_answer(
      admin::call(names_.node_socket(node, "agent.sock"), "GET", target, "", kAskTimeout),
      "the agent of node " + node, state_.name);
}

lab::Outcome<Json> MeshSource::post_agent(const std::string& node,
                                          const std::string& target) const {
  return read_answer(
      admin::call(names_.node_socket(node, "agent.sock"), "POST", target, "", kAskTimeout),
      "the agent of node " + node, state_.name);
}

lab::Outcome<Json> MeshSource::ztunnel(const std::string& node, const std::string& target) const {
  auto netns = lab::open_netns(names_.node_netns(node));
  if (!netns) return std::unexpected(netns.error());
  auto inside = lab::NetnsScope::enter(netns->get());
  if (!inside) return std::unexpected(inside.error());
  return read_answer(admin::call(SocketAddress{IpAddress::v4(127, 0, 0, 1), kZtunnelAdminPort},
                                 "GET", target, "", kAskTimeout),
                     "the ztunnel of node " + node, state_.name);
}

lab::Outcome<std::string> MeshSource::waypoint_page(const std::string& pod,
                                                    const std::string& target) const {
  const auto slash = pod.find('/');
  auto netns = lab::open_netns(names_.pod_netns(pod.substr(0, slash), pod.substr(slash + 1)));
  if (!netns) return std::unexpected(netns.error());
  auto inside = lab::NetnsScope::enter(netns->get());
  if (!inside) return std::unexpected(inside.error());
  auto answer = admin::call(SocketAddress{IpAddress::v4(127, 0, 0, 1), kWaypointAdminPort}, "GET",
                            target, "", kAskTimeout);
  if (answer && answer->status == 200) return std::move(answer->body);
  return lab::problem(
      fmt::format("the waypoint in pod {}: {}", pod,
                  answer ? fmt::format("answers {}", answer->status) : answer.error().to_string()),
      fmt::format("see culvert status --name {}", state_.name));
}

lab::Outcome<std::vector<std::pair<std::string, Json>>> MeshSource::all_ztunnels(
    const std::string& node, const std::string& target) const {
  auto serving = ztunnel(node, target);
  if (!serving) return std::unexpected(serving.error());
  std::vector<std::pair<std::string, Json>> out;
  out.emplace_back(kServing, std::move(*serving));
  std::error_code none;
  const std::string folder = names_.node_socket(node, "ztunnel") + "/draining";
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    if (entry.path().extension() != ".admin") continue;
    auto answer = read_answer(admin::call(entry.path().string(), "GET", target, "", kAskTimeout),
                              "a ztunnel that drains", state_.name);
    if (answer) out.emplace_back("draining " + entry.path().stem().string(), std::move(*answer));
  }
  std::ranges::sort(out.begin() + 1, out.end(), {}, [](const auto& one) { return one.first; });
  return out;
}

NodePins MeshSource::pins(const std::string& node) const {
  const auto mount = bpf::bpffs_mount();
  return {.node = node,
          .bpf_dir = mount.value_or(bpf::kBpffsPath) + "/" + names_.node_pins(node),
          .state_dir = names_.node_socket(node, "state")};
}

std::string MeshSource::ztunnel_log(const std::string& node) const {
  return names_.node_log(node, "ztunnel");
}

std::optional<std::chrono::system_clock::time_point> MeshSource::last_written() const {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::file_time_type newest = fs::last_write_time(names_.config_dir(), error);
  if (error) return std::nullopt;
  for (const auto& entry : fs::directory_iterator(names_.config_dir(), error))
    newest = std::max(newest, entry.last_write_time(error));
  return std::chrono::time_point_cast<std::chrono::system_clock::duration>(
      std::chrono::file_clock::to_sys(newest));
}

std::optional<std::chrono::milliseconds> MeshSource::configured_ago() const {
  const auto at = last_written();
  if (!at) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() -
                                                               *at);
}

std::string MeshSource::configured_at() const {
  using namespace std::chrono;
  const auto written = last_written();
  if (!written) return {};
  const auto at = time_point_cast<microseconds>(*written);
  return fmt::format("{:%FT%T}.{:06}Z", fmt::gmtime(system_clock::to_time_t(at)),
                     at.time_since_epoch().count() % 1'000'000);
}

std::string MeshSource::original_file(const std::string& file) const {
  return lab::original_path(state_, file);
}

}  // namespace culvert::cli
