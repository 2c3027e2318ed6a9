#include "lab/objects.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include "lab/names.hpp"

namespace culvert::lab {
namespace {

using nlohmann::json;

constexpr const char* kBadName = "letters, digits, - and . only, at most 253";

// Carries a place and a reason out of nested reading; caught at the edge of this file.
struct BadField {
  YAML::Mark mark;
  std::string field;
  std::string reason;
};

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

// Runs `read` on the document's tree; whatever the YAML library throws becomes a diagnostic.
template <class T, class F>
std::expected<T, Diagnostic> with_tree(const Document& document, F&& read) {
  try {
    return read(YAML::Load(document.text));
  } catch (const BadField& bad) {
    return std::unexpected(diagnostic(document, bad.mark, bad.field, bad.reason));
  } catch (const YAML::Exception& error) {
    return std::unexpected(diagnostic(document, error.mark, "", error.msg));
  }
}

std::string text_of(const YAML::Node& node, const std::string& field) {
  if (!node || node.IsNull()) return {};
  if (!node.IsScalar()) throw BadField{node.Mark(), field, "a string is expected here"};
  return node.Scalar();
}

int number_of(const YAML::Node& node, const std::string& field, int fallback) {
  if (!node || node.IsNull()) return fallback;
  int out = 0;
  if (!node.IsScalar() || !YAML::convert<int>::decode(node, out))
    throw BadField{node.Mark(), field, "a whole number is expected here"};
  return out;
}

std::vector<std::string> words_of(const YAML::Node& node, const std::string& field) {
  std::vector<std::string> out;
  if (!node || node.IsNull()) return out;
  if (!node.IsSequence()) throw BadField{node.Mark(), field, "a list is expected here"};
  for (const auto& item : node) out.push_back(text_of(item, field));
  return out;
}

Labels map_of(const YAML::Node& node, const std::string& field) {
  Labels out;
  if (!node || node.IsNull()) return out;
  if (!node.IsMap()) throw BadField{node.Mark(), field, "a map is expected here"};
  for (const auto& entry : node) out[entry.first.Scalar()] = text_of(entry.second, field);
  return out;
}

IpAddress ip_of(const YAML::Node& node, const std::string& field) {
  const auto ip = IpAddress::parse(text_of(node, field));
  if (!ip) throw BadField{node.Mark(), field, "not an IP address"};
  return *ip;
}

Probe probe_of(const YAML::Node& node, const std::string& field) {
  Probe out;
  if (const auto exec = node["exec"]) {
    out.command = words_of(exec["command"], field + ".exec.command");
  } else if (const auto http = node["httpGet"]) {
    out.kind = Probe::Kind::kHttpGet;
    out.port = text_of(http["port"], field + ".httpGet.port");
    if (http["path"]) out.path = text_of(http["path"], field + ".httpGet.path");
    for (const auto& header : http["httpHeaders"])
      out.headers.emplace_back(text_of(header["name"], field), text_of(header["value"], field));
  } else if (const auto tcp = node["tcpSocket"]) {
    out.kind = Probe::Kind::kTcpSocket;
    out.port = text_of(tcp["port"], field + ".tcpSocket.port");
  } else {
    throw BadField{node.Mark(), field, "the lab knows exec, httpGet and tcpSocket probes"};
  }
  out.initial_delay_s = number_of(node["initialDelaySeconds"], field, 0);
  out.timeout_s = std::max(1, number_of(node["timeoutSeconds"], field, 1));
  return out;
}

Container container_of(const YAML::Node& node, const std::string& field) {
  Container out;
  out.name = text_of(node["name"], field + ".name");
  if (!is_path_safe(out.name))
    throw BadField{node.Mark(), field + ".name",
                   "a container needs a name of letters, digits and -"};
  out.command = words_of(node["command"], field + ".command");
  out.args = words_of(node["args"], field + ".args");
  if (out.command.empty())
    throw BadField{node.Mark(), field + ".command",
                   "the lab runs processes, not images: give the container a command"};
  out.working_dir = text_of(node["workingDir"], field + ".workingDir");
  for (const auto& entry : node["env"])
    out.env.push_back(
        {text_of(entry["name"], field + ".env"), text_of(entry["value"], field + ".env"),
         entry["valueFrom"] ? text_of(entry["valueFrom"]["fieldRef"]["fieldPath"], field + ".env")
                            : std::string{}});
  for (const auto& port : node["ports"]) {
    const int number = number_of(port["containerPort"], field + ".ports.containerPort", 0);
    if (number < 1 || number > 65535)
      throw BadField{port.Mark(), field + ".ports.containerPort", "a port is 1 to 65535"};
    const std::string protocol = text_of(port["protocol"], field + ".ports.protocol");
    out.ports.push_back({text_of(port["name"], field + ".ports.name"),
                         static_cast<std::uint16_t>(number),
                         protocol.empty() || protocol == "TCP"});
  }
  if (const auto probe = node["readinessProbe"])
    out.readiness = probe_of(probe, field + ".readinessProbe");
  return out;
}

void fill_metadata(Pod& pod, const YAML::Node& metadata) {
  pod.labels = map_of(metadata["labels"], "metadata.labels");
  pod.uid = text_of(metadata["uid"], "metadata.uid");
  if (!pod.uid.empty() && !is_path_safe(pod.uid))
    throw BadField{metadata["uid"].Mark(), "metadata.uid", kBadName};
}

void fill_spec(Pod& pod, const YAML::Node& root) {
  const YAML::Node spec = root["spec"];
  if (!spec || !spec.IsMap()) throw BadField{root.Mark(), "spec", "a Pod needs a spec"};
  pod.node = text_of(spec["nodeName"], "spec.nodeName");
  if (const auto account = text_of(spec["serviceAccountName"], "spec.serviceAccountName");
      !account.empty())
    pod.service_account = account;
  pod.host_network = text_of(spec["hostNetwork"], "spec.hostNetwork") == "true";
  if (const auto policy = text_of(spec["restartPolicy"], "spec.restartPolicy"); !policy.empty())
    pod.restart_policy = policy;
  const YAML::Node containers = spec["containers"];
  if (!containers || !containers.IsSequence() || containers.size() == 0)
    throw BadField{spec.Mark(), "spec.containers", "a Pod needs at least one container"};
  for (std::size_t i = 0; i < containers.size(); ++i)
    pod.containers.push_back(container_of(containers[i], fmt::format("spec.containers[{}]", i)));
}

void fill_status(Pod& pod, const YAML::Node& status) {
  if (!status) return;
  for (const auto& entry : status["podIPs"]) pod.ips.push_back(ip_of(entry["ip"], "status.podIPs"));
  if (pod.ips.empty() && status["podIP"]) pod.ips.push_back(ip_of(status["podIP"], "status.podIP"));
  if (pod.ips.size() > 2 || (pod.ips.size() == 2 && pod.ips[0].is_v4() == pod.ips[1].is_v4()))
    throw BadField{status.Mark(), "status.podIPs", "at most one address a family"};
}

Pod pod_of(const YAML::Node& root, const Document& document) {
  Pod out;
  out.ns = document.ns;
  out.name = document.name;
  out.file = document.file;
  out.line = document.line;
  out.source = document.text;
  fill_metadata(out, root["metadata"]);
  fill_spec(out, root);
  fill_status(out, root["status"]);
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
  auto read = with_tree<bool>(document, [&](const YAML::Node& root) {
    if (!root.IsMap()) throw BadField{root.Mark(), "", "an object (a map) is expected here"};
    document.api_version = text_of(root["apiVersion"], "apiVersion");
    const std::string kind = text_of(root["kind"], "kind");
    if (kind.empty()) throw BadField{root.Mark(), "kind", "an object needs a kind"};
    const YAML::Node metadata = root["metadata"];
    if (metadata && !metadata.IsMap())
      throw BadField{metadata.Mark(), "metadata", "a map is expected here"};
    document.name = metadata ? text_of(metadata["name"], "metadata.name") : "";
    document.ns = metadata ? text_of(metadata["namespace"], "metadata.namespace") : "";
    const bool cluster_wide = kind == "Node" || kind == "Namespace" || kind == "GatewayClass";
    if (document.ns.empty() && !cluster_wide) document.ns = "default";
    document.kind = kind;
    if (document.name.empty())
      throw BadField{root.Mark(), "metadata.name", "an object needs a name"};
    if (!is_path_safe(document.name))
      throw BadField{metadata["name"].Mark(), "metadata.name", kBadName};
    if (!document.ns.empty() && !is_path_safe(document.ns))
      throw BadField{metadata["namespace"].Mark(), "metadata.namespace", kBadName};
    return true;
  });
  if (read) return std::nullopt;
  return read.error();
}

std::expected<Node, Diagnostic> read_node(const Document& document) {
  return with_tree<Node>(document, [&](const YAML::Node&) {
    return Node{.name = document.name, .source = document.text};
  });
}

std::expected<Namespace, Diagnostic> read_namespace(const Document& document) {
  return with_tree<Namespace>(document, [&](const YAML::Node& root) {
    return Namespace{document.name, map_of(root["metadata"]["labels"], "metadata.labels")};
  });
}

std::expected<Service, Diagnostic> read_service(const Document& document) {
  return with_tree<Service>(document, [&](const YAML::Node& root) {
    Service out{.ns = document.ns, .name = document.name};
    out.source = document.text;
    out.file = document.file;
    out.line = document.line;
    const YAML::Node spec = root["spec"];
    if (!spec || !spec.IsMap()) throw BadField{root.Mark(), "spec", "a Service needs a spec"};
    out.selector = map_of(spec["selector"], "spec.selector");
    out.external_name = text_of(spec["type"], "spec.type") == "ExternalName";
    const std::string cluster_ip = text_of(spec["clusterIP"], "spec.clusterIP");
    out.headless = cluster_ip == "None";
    for (const auto& ip : spec["clusterIPs"])
      if (!out.headless) out.cluster_ips.push_back(ip_of(ip, "spec.clusterIPs"));
    if (out.cluster_ips.empty() && !cluster_ip.empty() && !out.headless)
      out.cluster_ips.push_back(ip_of(spec["clusterIP"], "spec.clusterIP"));
    const auto families = words_of(spec["ipFamilies"], "spec.ipFamilies");
    if (families.size() == 1) {
      out.wants_v4 = families[0] == "IPv4";
      out.wants_v6 = families[0] == "IPv6";
    }
    return out;
  });
}

std::expected<Pod, Diagnostic> read_pod(const Document& document) {
  return with_tree<Pod>(document, [&](const YAML::Node& root) { return pod_of(root, document); });
}

std::expected<std::vector<Pod>, Diagnostic> read_deployment(const Document& document) {
  return with_tree<std::vector<Pod>>(document, [&](const YAML::Node& root) {
    const YAML::Node spec = root["spec"];
    if (!spec || !spec["template"])
      throw BadField{root.Mark(), "spec.template", "a Deployment needs a template"};
    const int replicas = number_of(spec["replicas"], "spec.replicas", 1);
    if (replicas < 0 || replicas > static_cast<int>(kReplicasMax))
      throw BadField{spec["replicas"].Mark(), "spec.replicas",
                     fmt::format("0 to {} replicas", kReplicasMax)};
    const std::string hash = fmt::format("{:08x}", name_hash(document.text) & 0xffffffffU);
    std::vector<Pod> out;
    pod_of(spec["template"], document);  // errors are told at the template's own lines
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
      Pod expanded = pod_of(YAML::Load(as_pod.text), as_pod);
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
