#include "culvert/mesh_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "culvert/l7/wire_object.hpp"
#include "culvert/xds/resources.hpp"
#include "lab/config_folder.hpp"

namespace culvert::cli {
namespace {

constexpr const char* kTrustDomain = "cluster.local";  // control always writes it
constexpr std::string_view kConverted = "converted_peer_authentication_";

std::optional<std::string> from_hex(const std::string& text) {
  std::string out(text.size() / 2, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) {
    unsigned byte = 0;
    const char* digits = text.data() + i * 2;
    if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return std::nullopt;
    out[i] = static_cast<char>(byte);
  }
  return text.size() % 2 == 0 ? std::optional(std::move(out)) : std::nullopt;
}

// Calls `take` with the bytes of each resource; false when one is not as it should be.
template <class Take>
bool each_resource(const Json& model, const char* member, Take take) {
  const auto found = model.find(member);
  if (found == model.end() || !found->is_object()) return false;
  for (const auto& [name, value] : found->items()) {
    const auto bytes = value.is_string() ? from_hex(value.get_ref<const std::string&>())
                                         : std::optional<std::string>();
    if (!bytes || !take(*bytes)) return false;
  }
  return true;
}

std::string text_at(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string object_key(const std::string& kind, const std::string& ns, const std::string& name) {
  return ns.empty() ? fmt::format("{} {}", kind, name) : fmt::format("{} {}/{}", kind, ns, name);
}

void read_places(const Json& model, const MeshSource& source, MeshModel& out) {
  for (const Json& object : model.value("objects", Json::array())) {
    if (!object.is_object()) continue;
    const std::string file = source.original_file(text_at(object, "file"));
    if (file.ends_with(lab::kObjectsFile)) continue;  // the lab's own rewriting of somebody's file
    out.places[object_key(text_at(object, "kind"), text_at(object, "namespace"),
                          text_at(object, "name"))] =
        fmt::format("{}:{}", file, object.value("line", 0));
  }
  const auto add = [&out](const char* kind, const auto& object) {
    if (!object.file.empty())
      out.places[object_key(kind, object.ns, object.name)] =
          fmt::format("{}:{}", object.file, object.line);
  };
  for (const lab::Pod& pod : source.state().objects.pods) add("Pod", pod);
  for (const lab::Service& service : source.state().objects.services) add("Service", service);
}

}  // namespace

std::string MeshModel::place(const std::string& kind, const std::string& ns,
                             const std::string& name) const {
  const auto found = places.find(object_key(kind, ns, name));
  return found == places.end() ? std::string() : found->second;
}

std::string MeshModel::policy_place(const mesh::Policy& policy) const {
  if (policy.name.starts_with(kConverted))
    return place("PeerAuthentication", policy.ns, policy.name.substr(kConverted.size()));
  return place("AuthorizationPolicy", policy.ns, policy.name);
}

lab::Outcome<MeshModel> load_model(const MeshSource& source) {
  const auto answer = source.control("/model");
  if (!answer) return std::unexpected(answer.error());
  mesh::Delta all;
  MeshModel out;
  const auto keep = [](std::vector<std::string>& to) {
    return [&to](const std::string& bytes) {
      to.push_back(bytes);
      return true;
    };
  };
  const bool read = each_resource(*answer, "addresses",
                                  [&](const std::string& bytes) {
                                    auto address = xds::parse_address(bytes, kTrustDomain);
                                    if (!address) return false;
                                    if (auto* w = std::get_if<mesh::Workload>(&*address))
                                      all.workloads.push_back(std::move(*w));
                                    else
                                      all.services.push_back(std::get<mesh::Service>(*address));
                                    return true;
                                  }) &&
                    each_resource(*answer, "authorizations",
                                  [&](const std::string& bytes) {
                                    auto policy = xds::parse_authorization(bytes);
                                    if (policy) all.policies.push_back(std::move(*policy));
                                    return policy.has_value();
                                  }) &&
                    each_resource(*answer, "virtual_services", keep(out.virtual_services)) &&
                    each_resource(*answer, "destination_rules", keep(out.destination_rules)) &&
                    each_resource(*answer, "gateways", [&](const std::string& bytes) {
                      auto edge = l7::parse_edge(bytes);
                      if (edge) out.edges.push_back(std::move(*edge));
                      return edge.has_value();
                    });
  if (!read)
    return lab::problem("control's model cannot be read", "use the CLI of control's version");
  std::ranges::sort(out.edges, {}, &l7::EdgeObject::key);
  out.snapshot = mesh::apply(mesh::Snapshot(), std::move(all));
  out.generation = answer->value("generation", std::uint64_t{0});
  read_places(*answer, source, out);
  return out;
}

}  // namespace culvert::cli
