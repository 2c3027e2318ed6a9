#include "culvert/l7/unsupported.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>

namespace culvert::l7 {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::array<std::string_view, 3> kPackages = {"istio.networking.v1alpha3.",
                                                       "culvert.api.k8s.", "culvert.api.gateway."};

constexpr auto kTcp = "TCP routes are not honoured yet";
constexpr auto kTls = "TLS routes are not honoured yet";
constexpr auto kDelegates = "delegates are not honoured yet";
constexpr auto kJwt = "claims of a JWT are not honoured yet";
constexpr auto kLocality = "locality is not honoured yet";
constexpr auto kHashing = "consistent hashing is not honoured yet";
constexpr auto kWarmup = "slow start is not honoured yet";
constexpr auto kTlsOut = "TLS to outside the mesh is not honoured yet";
constexpr auto kTlsIn = "TLS from outside the mesh is not honoured yet";
constexpr auto kPlain = "plaintext to a workload of the mesh is chosen by PeerAuthentication";
constexpr auto kDns = "only static endpoints are honoured yet";
constexpr auto kProtocol = "an edge serves HTTP, HTTP2 and GRPC so far";
constexpr auto kSans = "an endpoint has its own identity and no other";
constexpr auto kAffinity = "each connection and request is balanced by itself";
constexpr auto kOwnTls = "a waypoint's TLS is the mesh's";

consteval UnsupportedField without_effect(std::string_view message, std::string_view field,
                                          std::string_view value, std::string_view why) {
  return {message, field, value, why, Consequence::kNoEffect};
}

constexpr std::array kFields = {
    UnsupportedField{"VirtualService", "tcp", "", kTcp},
    UnsupportedField{"VirtualService", "tls", "", kTls},
    UnsupportedField{"HTTPRoute", "delegate", "", kDelegates},
    UnsupportedField{"HTTPMatchRequest", "headers", "@request.auth.claims*", kJwt},
    UnsupportedField{"HTTPMatchRequest", "withoutHeaders", "@request.auth.claims*", kJwt},
    UnsupportedField{"HTTPRetry", "retryRemoteLocalities", "", kLocality},
    UnsupportedField{"HTTPFaultInjection.Delay", "exponentialDelay", "",
                     "only a fixedDelay is honoured, as with Istio"},
    UnsupportedField{"DestinationRule", "workloadSelector", "",
                     "rules for some clients only are not honoured yet"},
    UnsupportedField{"TrafficPolicy", "tunnel", "",
                     "tunnels to other proxies are not honoured yet"},
    UnsupportedField{"TrafficPolicy", "proxyProtocol", "", "PROXY protocol is not honoured yet"},
    UnsupportedField{"LoadBalancerSettings", "consistentHash", "", kHashing},
    UnsupportedField{"LoadBalancerSettings", "localityLbSetting", "", kLocality},
    UnsupportedField{"LoadBalancerSettings", "zoneAwareLbSetting", "", kLocality},
    UnsupportedField{"LoadBalancerSettings", "warmupDurationSecs", "", kWarmup},
    UnsupportedField{"LoadBalancerSettings", "warmup", "", kWarmup},
    UnsupportedField{"ClientTLSSettings", "mode", "DISABLE", kPlain},
    UnsupportedField{"ClientTLSSettings", "mode", "SIMPLE", kTlsOut},
    UnsupportedField{"ClientTLSSettings", "mode", "MUTUAL", kTlsOut},
    UnsupportedField{"ClientTLSSettings", "clientCertificate", "", kTlsOut},
    UnsupportedField{"ClientTLSSettings", "privateKey", "", kTlsOut},
    UnsupportedField{"ClientTLSSettings", "caCertificates", "", kTlsOut},
    UnsupportedField{"ClientTLSSettings", "subjectAltNames", "", kTlsOut},
    UnsupportedField{"ClientTLSSettings", "sni", "", kTlsOut},
    UnsupportedField{"ClientTLSSettings", "credentialName", "", kTlsOut},
    UnsupportedField{"ClientTLSSettings", "insecureSkipVerify", "", kTlsOut},
    UnsupportedField{"ClientTLSSettings", "caCrl", "", kTlsOut},
    UnsupportedField{"ServiceEntry", "resolution", "NONE", kDns},
    UnsupportedField{"ServiceEntry", "resolution", "DNS", kDns},
    UnsupportedField{"ServiceEntry", "resolution", "DNS_ROUND_ROBIN", kDns},
    UnsupportedField{"ServiceEntry", "resolution", "DYNAMIC_DNS", kDns},
    UnsupportedField{"ServiceEntry", "workloadSelector", "", kDns},
    UnsupportedField{"ServiceEntry", "subjectAltNames", "", kSans},
    UnsupportedField{"WorkloadEntry", "network", "", "other networks are not honoured yet"},
    UnsupportedField{"WorkloadEntry", "locality", "", kLocality},
    UnsupportedField{"Server", "tls", "", kTlsIn},
    UnsupportedField{"Server", "bind", "", "an edge serves all addresses of its pod"},
    UnsupportedField{"Server", "defaultEndpoint", "", "an edge serves by VirtualServices only"},
    UnsupportedField{"Port", "targetPort", "",
                     "an edge listens on the port's number, as with Istio"},
    UnsupportedField{"Port", "protocol", "HTTPS", kTlsIn},
    UnsupportedField{"Port", "protocol", "TLS", kTlsIn},
    UnsupportedField{"Port", "protocol", "TCP", kProtocol},
    UnsupportedField{"Port", "protocol", "MONGO", kProtocol},
    without_effect("ServiceEntry", "location", "MESH_INTERNAL",
                   "HBONE goes to the endpoints that are pods of the mesh, and to no others"),
    without_effect("ServiceSpec", "sessionAffinity", "ClientIP", kAffinity),
    without_effect("ServiceSpec", "sessionAffinityConfig", "", kAffinity),
    without_effect("ServiceSpec", "internalTrafficPolicy", "Local",
                   "endpoints on all nodes are chosen from"),
    without_effect("ServiceSpec", "trafficDistribution", "", kLocality),
    without_effect("ServiceSpec", "type", "ExternalName",
                   "it is left to DNS, and no service that rules can name"),
    without_effect("ServiceSpec", "externalIPs", "",
                   "of a service's addresses the mesh knows the cluster IPs alone"),
    without_effect("GatewaySpec", "addresses", "",
                   "a waypoint has the addresses of its pods and its Service"),
    without_effect("GatewaySpec", "infrastructure", "",
                   "nothing of it is put on a waypoint's pods"),
    without_effect("GatewaySpec", "allowedListeners", "", "other objects add no listeners"),
    without_effect("GatewaySpec", "tls", "", kOwnTls),
    without_effect("Listener", "tls", "", kOwnTls),
    without_effect("Listener", "hostname", "", "a waypoint serves what names it, by any host"),
    without_effect("AllowedRoutes", "kinds", "", "no routes attach to a waypoint yet"),
    without_effect("GatewayClassSpec", "parametersRef", "", "no parameters are read"),
};

bool has_key(const Message& message, const FieldDescriptor& field, std::string_view prefix) {
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const auto& entry = reflection.GetRepeatedMessage(message, &field, i);
    const auto* key = entry.GetDescriptor()->map_key();
    if (entry.GetReflection()->GetString(entry, key).starts_with(prefix)) return true;
  }
  return false;
}

bool used(const Message& message, const FieldDescriptor& field, std::string_view value) {
  const auto& reflection = *message.GetReflection();
  if (field.is_map() && value.ends_with('*')) {
    return has_key(message, field, value.substr(0, value.size() - 1));
  }
  if (field.is_repeated()) return reflection.FieldSize(message, &field) > 0;
  if (value.empty()) return reflection.HasField(message, &field);
  // Also a value that is so because nothing was said.
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    return reflection.GetEnum(message, &field)->name() == value;
  }
  return reflection.GetString(message, &field) == value;
}

const FieldDescriptor* find_field(const Message& message, std::string_view json_name) {
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->json_name() == json_name) return type.field(i);
  }
  return nullptr;
}

void walk(const Message& message, const std::string& path, std::vector<UnsupportedUse>& out) {
  std::string_view name = message.GetDescriptor()->full_name();
  const auto package =
      std::ranges::find_if(kPackages, [&](std::string_view one) { return name.starts_with(one); });
  if (package == kPackages.end()) return;
  name.remove_prefix(package->size());
  for (const auto& row : kFields) {
    if (row.message != name) continue;
    const auto* field = find_field(message, row.field);
    if (field && used(message, *field, row.value)) {
      out.push_back({fmt::format("{}.{}", path, row.field), std::string(row.why), row.consequence});
    }
  }
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    const auto below = fmt::format("{}.{}", path, field->json_name());
    if (!field->is_repeated()) {
      walk(reflection.GetMessage(message, field), below, out);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      walk(reflection.GetRepeatedMessage(message, field, i), fmt::format("{}[{}]", below, i), out);
    }
  }
}

}  // namespace

std::string_view to_text(Consequence consequence) {
  return consequence == Consequence::kObjectRefused ? "object refused" : "no effect";
}

std::span<const UnsupportedField> unsupported_fields() {
  return kFields;
}

std::vector<UnsupportedUse> find_unsupported(const Message& message, const std::string& path) {
  std::vector<UnsupportedUse> uses;
  walk(message, path, uses);
  return uses;
}

bool is_refused_by_field(const Message& spec) {
  return std::ranges::any_of(find_unsupported(spec, "spec"), [](const UnsupportedUse& use) {
    return use.consequence == Consequence::kObjectRefused;
  });
}

}  // namespace culvert::l7
