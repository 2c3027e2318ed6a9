#include "lab/objects.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include "culvert/config/waypoint_names.hpp"
#include "lab/names.hpp"
#include "lab/waypoints.hpp"

namespace culvert::lab {
namespace {

using nlohmann::json;

constexpr const char* kBadName = "letters, digits, - and . only, at most 253";

Diagnostic diagnostic(const Document& document, const YAML::Mark& mark, std::string field,
                      std::string reason) {
  Diagnostic out;
  out.file = document.file;
  out.line = document.line + std::max(mark.line, 0);
  out.column = std::max(mark.column, 0) + 1;
  if (!document.kind.empty()) out.object = document.key();
  out.field = std::move(field);
  out.reason = std::move(reason);
  return out;
}

// Notes the first thing in a document that the lab cannot run. Types and formats were judged by
// lib/config before (manifest.cpp): reading goes on with a default.
struct Reader {
  const Document& document;
  std::optional<Diagnostic> first;

  void bad(const YAML::Mark& mark, std::string field, std::string reason) {
    if (!first) first = diagnostic(document, mark, std::move(field), std::move(reason));
  }
};

// Runs `read` on the document's tree; what the YAML library throws becomes a diagnostic too.
template <class T, class F>
std::expected<T, Diagnostic> with_tree(const Document& document, F&& read) {
  Reader reader{document, std::nullopt};
  try {
    T out = read(YAML::Load(document.text), reader);
    if (!reader.first) return out;
  } catch (const YAML::Exception& error) {
    reader.bad(error.mark, "", error.msg);
  }
  return std::unexpected(std::move(*reader.first));
}

std::string text_of(Reader& r, const YAML::Node& node, const std::string& field) {
  if (!node || node.IsNull()) return {};
  if (!node.IsScalar()) r.bad(node.Mark(), field, "a string is expected here");
  return node.Scalar();
}

int number_of(Reader& r, const YAML::Node& node, const std::string& field, int fallback) {
  if (!node || node.IsNull()) return fallback;
  int out = 0;
  if (!node.IsScalar() || !YAML::convert<int>::decode(node, out))
    r.bad(node.Mark(), field, "a whole number is expected here");
  return out;
}

std::vector<std::string> words_of(Reader& r, const YAML::Node& node, const std::string& field) {
  std::vector<std::string> out;
  if (!node || node.IsNull()) return out;
  if (!node.IsSequence()) r.bad(node.Mark(), field, "a list is expected here");
  for (const auto& item : node) out.push_back(text_of(r, item, field));
  return out;
}

Labels map_of(Reader& r, const YAML::Node& node, const std::string& field) {
  Labels out;
  if (!node || node.IsNull()) return out;
  if (!node.IsMap()) r.bad(node.Mark(), field, "a map is expected here");
  for (const auto& entry : node) out[entry.first.Scalar()] = text_of(r, entry.second, field);
  return out;
}

IpAddress ip_of(Reader& r, const YAML::Node& node, const std::string& field) {
  const auto ip = IpAddress::parse(text_of(r, node, field));
  if (!ip) r.bad(node.Mark(), field, "not an IP address");
  return ip.value_or(IpAddress{});
}

Probe probe_of(Reader& r, const YAML::Node& node, const std::string& field) {
  Probe out;
  if (const auto exec = node["exec"]) {
    out.command = words_of(r, exec["command"], field + ".exec.command");
  } else if (const auto http = node["httpGet"]) {
    out.kind = Probe::Kind::kHttpGet;
    out.port = text_of(r, http["port"], field + ".httpGet.port");
    if (http["path"]) out.path = text_of(r, http["path"], field + ".httpGet.path");
    for (const auto& header : http["httpHeaders"])
      out.headers.emplace_back(text_of(r, header["name"], field),
                               text_of(r, header["value"], field));
  } else if (const auto tcp = node["tcpSocket"]) {
    out.kind = Probe::Kind::kTcpSocket;
    out.port = text_of(r, tcp["port"], field + ".tcpSocket.port");
  } else {
    r.bad(node.Mark(), field, "the lab knows exec, httpGet and tcpSocket probes");
  }
  out.initial_delay_s = number_of(r, node["initialDelaySeconds"], field, 0);
  out.timeout_s = std::max(1, number_of(r, node["timeoutSeconds"], field, 1));
  return out;
}

Container container_of(Reader& r, const YAML::Node& node, const std::string& field) {
  Container out;
  out.name = text_of(r, node["name"], field + ".name");
  if (!is_path_safe(out.name))
    r.bad(node.Mark(), field + ".name", "a container needs a name of letters, digits and -");
  out.command = words_of(r, node["command"], field + ".command");
  out.args = words_of(r, node["args"], field + ".args");
  out.waypoint = out.command.empty() && config::is_waypoint_image(text_of(r, node["image"], field));
  if (out.command.empty() && !out.waypoint)
    r.bad(node.Mark(), field + ".command",
          "the lab runs processes, not images: give the container a command (or the image "
          "culvert-waypoint: an edge)");
  out.working_dir = text_of(r, node["workingDir"], field + ".workingDir");
  for (const auto& entry : node["env"])
    out.env.push_back({text_of(r, entry["name"], field + ".env"),
                       text_of(r, entry["value"], field + ".env"),
                       entry["valueFrom"]
                           ? text_of(r, entry["valueFrom"]["fieldRef"]["fieldPath"], field + ".env")
                           : std::string{}});
  for (const auto& port : node["ports"]) {
    const int number = number_of(r, port["containerPort"], field + ".ports.containerPort", 0);
    if (number < 1 || number > 65535)
      r.bad(port.Mark(), field + ".ports.containerPort", "a port is 1 to 65535");
    const std::string protocol = text_of(r, port["protocol"], field + ".ports.protocol");
    out.ports.push_back({text_of(r, port["name"], field + ".ports.name"),
                         static_cast<std::uint16_t>(number),
                         protocol.empty() || protocol == "TCP"});
  }
  if (const auto probe = node["readinessProbe"])
    out.readiness = probe_of(r, probe, field + ".readinessProbe");
  else if (out.waypoint)
    out.readiness = waypoint_probe();
  return out;
}

void fill_metadata(Reader& r, Pod& pod, const YAML::Node& metadata) {
  pod.labels = map_of(r, metadata["labels"], "metadata.labels");
  const Labels annotations = map_of(r, metadata["annotations"], "metadata.annotations");
  if (const auto guard = annotations.find("culvert.io/guard"); guard != annotations.end()) {
    pod.guard = guard->second;
    if (pod.guard != "strict" && pod.guard != "observe" && pod.guard != "off")
      r.bad(metadata["annotations"].Mark(), "metadata.annotations['culvert.io/guard']",
            "strict, observe or off");
  }
  pod.uid = text_of(r, metadata["uid"], "metadata.uid");
  if (!pod.uid.empty() && !is_path_safe(pod.uid))
    r.bad(metadata["uid"].Mark(), "metadata.uid", kBadName);
}

void fill_spec(Reader& r, Pod& pod, const YAML::Node& root) {
  const YAML::Node spec = root["spec"];
  if (!spec || !spec.IsMap()) r.bad(root.Mark(), "spec", "a Pod needs a spec");
  pod.node = text_of(r, spec["nodeName"], "spec.nodeName");
  if (const auto account = text_of(r, spec["serviceAccountName"], "spec.serviceAccountName");
      !account.empty())
    pod.service_account = account;
  pod.host_network = text_of(r, spec["hostNetwork"], "spec.hostNetwork") == "true";
  if (const auto policy = text_of(r, spec["restartPolicy"], "spec.restartPolicy"); !policy.empty())
    pod.restart_policy = policy;
  const YAML::Node containers = spec["containers"];
  if (!containers || !containers.IsSequence() || containers.size() == 0)
    r.bad(spec.Mark(), "spec.containers", "a Pod needs at least one container");
  for (std::size_t i = 0; i < containers.size(); ++i)
    pod.containers.push_back(container_of(r, containers[i], fmt::format("spec.containers[{}]", i)));
}

void fill_status(Reader& r, Pod& pod, const YAML::Node& status) {
  if (!status) return;
  for (const auto& entry : status["podIPs"])
    pod.ips.push_back(ip_of(r, entry["ip"], "status.podIPs"));
  if (pod.ips.empty() && status["podIP"])
    pod.ips.push_back(ip_of(r, status["podIP"], "status.podIP"));
  if (pod.ips.size() > 2 || (pod.ips.size() == 2 && pod.ips[0].is_v4() == pod.ips[1].is_v4()))
    r.bad(status.Mark(), "status.podIPs", "at most one address a family");
}

Pod pod_of(Reader& r, const YAML::Node& root, const Document& document) {
  Pod out;
  out.ns = document.ns;
  out.name = document.name;
  out.file = document.file;
  out.line = document.line;
  out.source = document.text;
  fill_metadata(r, out, root["metadata"]);
  fill_spec(r, out, root);
  fill_status(r, out, root["status"]);
  return out;
}

// The tree as JSON, which is YAML too and keeps strings apart from what only looks like a number or
// a boolean. A quoted scalar has the tag "!", a plain one "?" (YAML 1.2, section 3.3.2).
json to_json(const YAML::Node& node) {
  if (node.IsMap()) {
    json out = json::object();
    for (const auto& entry : node) out[entry.first.Scalar()] = to_json(entry.second);
    return out;
  }
  if (node.IsSequence()) {
    json out = json::array();
    for (const auto& item : node) out.push_back(to_json(item));
    return out;
  }
  if (!node.IsScalar()) return nullptr;
  const std::string& text = node.Scalar();
  if (node.Tag() != "?") return text;
  if (text == "true" || text == "false") return text == "true";
  const json value = json::parse(text, nullptr, false);
  return value.is_number() ? value : json(text);
}

json object_of(const std::string& source) {
  return to_json(YAML::Load(source));
}

std::string emit(const json& root) {
  return root.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

json entries(const char* key, const std::vector<IpAddress>& ips) {
  json out = json::array();
  for (const IpAddress& ip : ips) out.push_back({{key, ip.to_string()}});
  return out;
}

}  // namespace

std::optional<Diagnostic> read_header(Document& document) {
  auto read = with_tree<bool>(document, [&](const YAML::Node& root, Reader& r) {
    if (!root.IsMap()) r.bad(root.Mark(), "", "an object (a map) is expected here");
    document.api_version = text_of(r, root["apiVersion"], "apiVersion");
    const std::string kind = text_of(r, root["kind"], "kind");
    if (kind.empty()) r.bad(root.Mark(), "kind", "an object needs a kind");
    const YAML::Node metadata = root["metadata"];
    if (metadata && !metadata.IsMap()) r.bad(metadata.Mark(), "metadata", "a map is expected here");
    document.name = metadata ? text_of(r, metadata["name"], "metadata.name") : "";
    document.ns = metadata ? text_of(r, metadata["namespace"], "metadata.namespace") : "";
    const bool cluster_wide = kind == "Node" || kind == "Namespace" || kind == "GatewayClass";
    if (document.ns.empty() && !cluster_wide) document.ns = "default";
    document.kind = kind;
    if (document.name.empty()) r.bad(root.Mark(), "metadata.name", "an object needs a name");
    if (!is_path_safe(document.name)) r.bad(metadata["name"].Mark(), "metadata.name", kBadName);
    if (!document.ns.empty() && !is_path_safe(document.ns))
      r.bad(metadata["namespace"].Mark(), "metadata.namespace", kBadName);
    return true;
  });
  if (read) return std::nullopt;
  return read.error();
}

std::expected<Node, Diagnostic> read_node(const Document& document) {
  return with_tree<Node>(document, [&](const YAML::Node&, Reader&) {
    return Node{.name = document.name, .source = document.text};
  });
}

std::expected<Namespace, Diagnostic> read_namespace(const Document& document) {
  return with_tree<Namespace>(document, [&](const YAML::Node& root, Reader& r) {
    return Namespace{document.name, map_of(r, root["metadata"]["labels"], "metadata.labels")};
  });
}

std::expected<Service, Diagnostic> read_service(const Document& document) {
  return with_tree<Service>(document, [&](const YAML::Node& root, Reader& r) {
    Service out{.ns = document.ns, .name = document.name};
    out.source = document.text;
    out.file = document.file;
    out.line = document.line;
    const YAML::Node spec = root["spec"];
    if (!spec || !spec.IsMap()) r.bad(root.Mark(), "spec", "a Service needs a spec");
    out.selector = map_of(r, spec["selector"], "spec.selector");
    out.external_name = text_of(r, spec["type"], "spec.type") == "ExternalName";
    const std::string cluster_ip = text_of(r, spec["clusterIP"], "spec.clusterIP");
    out.headless = cluster_ip == "None";
    for (const auto& ip : spec["clusterIPs"])
      if (!out.headless) out.cluster_ips.push_back(ip_of(r, ip, "spec.clusterIPs"));
    if (out.cluster_ips.empty() && !cluster_ip.empty() && !out.headless)
      out.cluster_ips.push_back(ip_of(r, spec["clusterIP"], "spec.clusterIP"));
    const auto families = words_of(r, spec["ipFamilies"], "spec.ipFamilies");
    if (families.size() == 1) {
      out.wants_v4 = families[0] == "IPv4";
      out.wants_v6 = families[0] == "IPv6";
    }
    return out;
  });
}

std::expected<Pod, Diagnostic> read_pod(const Document& document) {
  return with_tree<Pod>(
      document, [&](const YAML::Node& root, Reader& r) { return pod_of(r, root, document); });
}

std::expected<std::vector<Pod>, Diagnostic> read_deployment(const Document& document) {
  return with_tree<std::vector<Pod>>(
      document, [&](const YAML::Node& root, Reader& r) -> std::vector<Pod> {
        const YAML::Node spec = root["spec"];
        if (!spec || !spec["template"]) {
          r.bad(root.Mark(), "spec.template", "a Deployment needs a template");
          return {};
        }
        const int replicas = number_of(r, spec["replicas"], "spec.replicas", 1);
        if (replicas < 0 || replicas > static_cast<int>(kReplicasMax)) {
          r.bad(spec["replicas"].Mark(), "spec.replicas",
                fmt::format("0 to {} replicas", kReplicasMax));
          return {};
        }
        const std::string hash = fmt::format("{:08x}", name_hash(document.text) & 0xffffffffU);
        std::vector<Pod> out;
        pod_of(r, spec["template"], document);  // errors are told at the template's own lines
        const json pod_template = to_json(spec["template"]);
        const json owner{{"apiVersion", "apps/v1"},
                         {"kind", "ReplicaSet"},
                         {"name", document.name + "-" + hash},
                         {"controller", true},
                         {"uid", fmt::format("{:016x}", name_hash(document.key()))}};
        for (int i = 1; i <= replicas; ++i) {
          Document as_pod = document;
          as_pod.kind = "Pod";
          as_pod.name = fmt::format("{}-{}", document.name, i);
          json pod = pod_template;
          pod["apiVersion"] = "v1";
          pod["kind"] = "Pod";
          pod["metadata"]["name"] = as_pod.name;
          pod["metadata"]["namespace"] = document.ns;
          pod["metadata"]["labels"]["pod-template-hash"] = hash;
          pod["metadata"]["ownerReferences"] = json::array({owner});
          as_pod.text = emit(pod);
          Pod expanded = pod_of(r, YAML::Load(as_pod.text), as_pod);
          expanded.owner = document.name;
          out.push_back(std::move(expanded));
        }
        return out;
      });
}

std::string render_node(const Node& node) {
  json root =
      node.source.empty() ? json{{"apiVersion", "v1"}, {"kind", "Node"}} : object_of(node.source);
  root["metadata"]["name"] = node.name;
  root["status"] = {{"addresses", entries("address", node.ips)}};
  for (json& address : root["status"]["addresses"]) address["type"] = "InternalIP";
  return emit(root);
}

std::string render_pod(const Pod& pod, const Node& node) {
  json root = object_of(pod.source);
  root["metadata"]["namespace"] = pod.ns;
  root["metadata"]["uid"] = pod.uid;
  if (pod.meshed()) root["metadata"]["annotations"]["ambient.istio.io/redirection"] = "enabled";
  root["spec"]["nodeName"] = pod.node;
  root["spec"]["serviceAccountName"] = pod.service_account;
  json status{{"phase", "Running"}, {"podIPs", entries("ip", pod.ips)}};
  if (!node.ips.empty()) status["hostIP"] = node.ips.front().to_string();
  if (!pod.ips.empty()) status["podIP"] = pod.ips.front().to_string();
  status["conditions"] = {{{"type", "Ready"}, {"status", pod.ready ? "True" : "False"}}};
  root["status"] = std::move(status);
  return emit(root);
}

std::string render_service(const Service& service) {
  json root = object_of(service.source);
  root["metadata"]["namespace"] = service.ns;
  if (!service.cluster_ips.empty()) {
    json& spec = root["spec"];
    spec["clusterIP"] = service.cluster_ips.front().to_string();
    spec["clusterIPs"] = json::array();
    for (const IpAddress& ip : service.cluster_ips) spec["clusterIPs"].push_back(ip.to_string());
  }
  return emit(root);
}

}  // namespace culvert::lab
