#include "report_json.hpp"

#include <authorization.pb.h>
#include <google/protobuf/util/json_util.h>
#include <workload.pb.h>

#include <nlohmann/json.hpp>

#include "culvert/base/ip.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::control {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json diagnostic_json(const Diagnostic& d) {
  return {{"severity", d.severity == Diagnostic::Severity::kError ? "error" : "warning"},
          {"file", d.file},
          {"line", d.line},
          {"column", d.column},
          {"object", d.object},
          {"field", d.field},
          {"reason", d.reason},
          {"suggestion", d.suggestion},
          {"text", d.to_string()}};
}

Json condition_json(const config::Condition& c) {
  return {{"kind", c.object.kind}, {"namespace", c.object.ns}, {"name", c.object.name},
          {"type", c.type},        {"status", c.status},       {"reason", c.reason},
          {"message", c.message}};
}

Json peer_json(const PeerReport& node) {
  return {{"name", node.name},
          {"connected", node.xds.connected},
          {"acked_generation", node.xds.acked_generation},
          {"nacks", node.xds.nacks},
          {"resources_sent", node.xds.resources_sent},
          {"last_nack", node.xds.last_nack},
          {"error", node.error}};
}

// Replaces base64 of 4 or 16 bytes by the address's text: a string, or the strings of a list.
void name_address(Json& value, const std::string& bytes) {
  const auto ip =
      IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  if (ip) value = ip->to_string();
}

Json message_json(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return nullptr;
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

Json address_json(const std::string& bytes) {
  istio::workload::Address address;
  if (!address.ParseFromString(bytes)) return nullptr;
  Json out = message_json(address);
  if (address.has_workload()) {
    for (int i = 0; i < address.workload().addresses_size(); ++i) {
      name_address(out["workload"]["addresses"][i], address.workload().addresses(i));
    }
  }
  if (address.has_service()) {
    for (int i = 0; i < address.service().addresses_size(); ++i) {
      name_address(out["service"]["addresses"][i]["address"],
                   address.service().addresses(i).address());
    }
  }
  return out;
}

Json authorization_json(const std::string& bytes) {
  istio::security::Authorization authorization;
  return authorization.ParseFromString(bytes) ? message_json(authorization) : Json();
}

Json all_of(const xds::ResourceSet& resources, std::string_view type,
            Json (*convert)(const std::string&)) {
  Json out = Json::object();
  const auto found = resources.types.find(type);
  if (found == resources.types.end()) return out;
  for (const auto& [name, resource] : found->second) out[name] = convert(resource.bytes);
  return out;
}

}  // namespace

std::string status_json(const Report& report) {
  Json out = {{"generation", report.view->generation},
              {"objects", report.view->objects->size()},
              {"diagnostics", Json::array()},
              {"conditions", Json::array()},
              {"nodes", Json::array()},
              {"proxies", Json::array()}};
  for (const Diagnostic& d : report.view->diagnostics)
    out["diagnostics"].push_back(diagnostic_json(d));
  for (const config::Condition& c : report.view->conditions)
    out["conditions"].push_back(condition_json(c));
  for (const PeerReport& node : report.nodes) out["nodes"].push_back(peer_json(node));
  for (const PeerReport& proxy : report.proxies) out["proxies"].push_back(peer_json(proxy));
  return dump(out);
}

std::string resources_json(const xds::ResourceSet& resources) {
  return dump(
      {{"generation", resources.generation},
       {"addresses", all_of(resources, xds::kAddressType, &address_json)},
       {"authorizations", all_of(resources, xds::kAuthorizationType, &authorization_json)}});
}

}  // namespace culvert::control
