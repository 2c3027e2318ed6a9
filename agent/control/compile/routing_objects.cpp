// Istio's routing objects as waypoints read them: the API message as it is, in a Resource.
#include <google/protobuf/message.h>

#include "control/compile/mesh_objects.hpp"
#include "culvert/l7/wire_object.hpp"
#include "istio_objects.pb.h"

namespace culvert::control {
namespace {

namespace v1 = ::istio::networking::v1alpha3;

template <class T>
void add_kind(const config::ObjectMap& objects, const char* kind, std::string_view type,
              EncodedObjects& encoded, ResourceSet& out) {
  auto& resources = out[std::string(type)];
  for (auto it = objects.lower_bound({kind, "", ""}); it != objects.end() && it->first.kind == kind;
       ++it) {
    const auto& key = it->first;
    const auto& object = it->second;
    const auto encode = [&] {
      const auto& message = config::message_as<T>(*object);
      return l7::encode_object(key.ns, key.name, message.metadata().creation_timestamp().seconds(),
                               message.spec());
    };
    resources.emplace(key.ns + "/" + key.name, encoded.of(object, encode));
  }
}

/// Its hosts, marked as refused. One given several times may have several: '#' is in no name.
void add_refused_rule(const config::RefusedObject& object, ResourceSet& out) {
  auto& rules = out[std::string(l7::kDestinationRuleType)];
  for (const auto& host : object.hosts) {
    auto name = object.key.name;
    for (int i = 2; rules.contains(object.key.ns + "/" + name); ++i) {
      name = object.key.name + "#" + std::to_string(i);
    }
    v1::DestinationRule spec;
    spec.set_host(host);
    rules.emplace(object.key.ns + "/" + name,
                  make_resource(l7::encode_object(object.key.ns, name, 0, spec, true)));
  }
}

}  // namespace

void add_routing_objects(const config::ObjectMap& objects,
                         std::span<const config::RefusedObject> refused, EncodedObjects& encoded,
                         ResourceSet& out) {
  namespace istio = api::istio;
  add_kind<istio::VirtualService>(objects, "VirtualService", l7::kVirtualServiceType, encoded, out);
  add_kind<istio::DestinationRule>(objects, "DestinationRule", l7::kDestinationRuleType, encoded,
                                   out);
  add_kind<istio::Gateway>(objects, "Gateway", l7::kGatewayType, encoded, out);
  add_kind<istio::ServiceEntry>(objects, "ServiceEntry", l7::kServiceEntryType, encoded, out);
  // Hosts without any route: nobody may fall back to a default. One given twice has those of both.
  std::map<config::ObjectKey, v1::VirtualService> without_routes;
  for (const auto& object : refused) {
    if (object.key.kind == "DestinationRule") add_refused_rule(object, out);
    if (object.key.kind != "VirtualService" || object.hosts.empty()) continue;
    auto& spec = without_routes[object.key];
    for (const auto& host : object.hosts) spec.add_hosts(host);
    for (const auto& gateway : object.gateways) spec.add_gateways(gateway);
  }
  auto& virtual_services = out[std::string(l7::kVirtualServiceType)];
  for (const auto& [key, spec] : without_routes) {
    virtual_services.insert_or_assign(key.ns + "/" + key.name,
                                      make_resource(l7::encode_object(key.ns, key.name, 0, spec)));
  }
}

}  // namespace culvert::control
