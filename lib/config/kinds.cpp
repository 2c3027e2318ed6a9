// The dispatch table.
#include "kinds.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "culvert/config/nearest.hpp"
#include "culvert/l7/unsupported.hpp"
#include "field_rules.pb.h"
#include "gateway_api.pb.h"
#include "istio_objects.pb.h"
#include "kubernetes.pb.h"
#include "superseded.hpp"
#include "validate.hpp"

namespace culvert::config {
namespace {

template <class T>
std::unique_ptr<google::protobuf::Message> make() {
  return std::make_unique<T>();
}

template <class T, void (*Validate)(const T&, Findings&)>
void validate_as(const google::protobuf::Message& message, Findings& findings) {
  Validate(static_cast<const T&>(message), findings);
}

/// The same, and what is not honoured in the spec is refused or told of.
template <class T, void (*Validate)(const T&, Findings&)>
void validate_honoured(const google::protobuf::Message& message, Findings& findings) {
  const auto& object = static_cast<const T&>(message);
  for (const auto& use : l7::find_unsupported(object.spec(), "spec")) {
    if (use.consequence == l7::Consequence::kObjectRefused) {
      findings.add(use.path, use.why);
    } else {
      findings.warn_without_effect(use.path, use.why);
    }
  }
  Validate(object, findings);
}

template <class T>
void move_superseded_in(google::protobuf::Message& message, Findings& findings) {
  move_superseded(static_cast<T&>(message), findings);
}

template <class T>
void nothing_more(const T&, Findings&) {}

/// The apiVersion of `kind` that is nearest to `text`, else the preferred one.
std::string nearest_version(const Kind& kind, std::string_view text) {
  std::vector<std::string> all;
  for (const auto version : kind.versions) {
    all.push_back(kind.group.empty() ? std::string(version)
                                     : fmt::format("{}/{}", kind.group, version));
  }
  const auto near = nearest(text, all);
  return near.empty() ? all[0] : near;
}

std::vector<Kind> kubernetes_kinds() {
  namespace k8s = api::k8s;
  using api::DNS_LABEL, api::DNS_SUBDOMAIN, api::SERVICE_NAME;
  return {
      {"Node", "", {"v1"}, false, DNS_SUBDOMAIN, make<k8s::Node>, nothing_more},
      {"Namespace", "", {"v1"}, false, DNS_LABEL, make<k8s::Namespace>, nothing_more},
      {"Pod", "", {"v1"}, true, DNS_SUBDOMAIN, make<k8s::Pod>, validate_as<k8s::Pod, validate_pod>},
      {"Service",
       "",
       {"v1"},
       true,
       SERVICE_NAME,
       make<k8s::Service>,
       validate_honoured<k8s::Service, validate_service>},
      {"ServiceAccount", "", {"v1"}, true, DNS_SUBDOMAIN, make<k8s::ServiceAccount>, nothing_more},
      {"Deployment",
       "apps",
       {"v1"},
       true,
       DNS_SUBDOMAIN,
       make<k8s::Deployment>,
       validate_as<k8s::Deployment, validate_deployment>},
      {"EndpointSlice",
       "discovery.k8s.io",
       {"v1"},
       true,
       DNS_SUBDOMAIN,
       make<k8s::EndpointSlice>,
       validate_as<k8s::EndpointSlice, validate_endpoint_slice>},
  };
}

std::vector<Kind> security_kinds() {
  namespace istio = api::istio;
  using api::DNS_SUBDOMAIN;
  return {
      {"PeerAuthentication",
       "security.istio.io",
       {"v1", "v1beta1"},
       true,
       DNS_SUBDOMAIN,
       make<istio::PeerAuthentication>,
       validate_as<istio::PeerAuthentication, validate_peer_authentication>},
      {"AuthorizationPolicy",
       "security.istio.io",
       {"v1", "v1beta1"},
       true,
       DNS_SUBDOMAIN,
       make<istio::AuthorizationPolicy>,
       validate_as<istio::AuthorizationPolicy, validate_authorization_policy>},
  };
}

std::vector<Kind> networking_kinds() {
  namespace istio = api::istio;
  namespace gateway = api::gateway;
  using api::DNS_SUBDOMAIN;
  return {
      {"VirtualService",
       "networking.istio.io",
       {"v1", "v1beta1", "v1alpha3"},
       true,
       DNS_SUBDOMAIN,
       make<istio::VirtualService>,
       validate_honoured<istio::VirtualService, validate_virtual_service>,
       "",
       move_superseded_in<istio::VirtualService>},
      {"DestinationRule",
       "networking.istio.io",
       {"v1", "v1beta1", "v1alpha3"},
       true,
       DNS_SUBDOMAIN,
       make<istio::DestinationRule>,
       validate_honoured<istio::DestinationRule, validate_destination_rule>,
       "",
       move_superseded_in<istio::DestinationRule>},
      {"ServiceEntry",
       "networking.istio.io",
       {"v1", "v1beta1", "v1alpha3"},
       true,
       DNS_SUBDOMAIN,
       make<istio::ServiceEntry>,
       validate_honoured<istio::ServiceEntry, validate_service_entry>},
      {"Gateway",
       "networking.istio.io",
       {"v1", "v1beta1", "v1alpha3"},
       true,
       DNS_SUBDOMAIN,
       make<istio::Gateway>,
       validate_honoured<istio::Gateway, validate_istio_gateway>},
      {"Gateway",
       "gateway.networking.k8s.io",
       {"v1", "v1beta1"},
       true,
       DNS_SUBDOMAIN,
       make<gateway::Gateway>,
       validate_honoured<gateway::Gateway, validate_gateway>,
       "KubernetesGateway",
       move_superseded_in<gateway::Gateway>},
      {"GatewayClass",
       "gateway.networking.k8s.io",
       {"v1", "v1beta1"},
       false,
       DNS_SUBDOMAIN,
       make<gateway::GatewayClass>,
       validate_honoured<gateway::GatewayClass, nothing_more>},
  };
}

}  // namespace

std::span<const Kind> kinds() {
  static const auto table = [] {
    auto all = kubernetes_kinds();
    for (const auto& more : {security_kinds(), networking_kinds()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }();
  return table;
}

KindChoice choose_kind(std::string_view version_text, std::string_view name) {
  const auto slash = version_text.find('/');
  const auto group = slash == std::string_view::npos ? "" : version_text.substr(0, slash);
  const auto version =
      slash == std::string_view::npos ? version_text : version_text.substr(slash + 1);
  KindChoice choice;
  bool our_group = false;
  bool same_group = false;  // the suggestion is of the group that was named
  std::vector<std::string> names;
  for (const auto& kind : kinds()) {
    our_group = our_group || kind.group == group;
    if (kind.group == group) names.emplace_back(kind.name);
    if (kind.name != name) continue;
    if (kind.group == group && std::ranges::find(kind.versions, version) != kind.versions.end()) {
      choice.kind = &kind;
      return choice;
    }
    if (same_group) continue;
    same_group = kind.group == group;
    choice.suggestion = nearest_version(kind, version_text);
  }
  choice.error = our_group && !choice.suggestion.empty();
  if (choice.error) {
    choice.reason = fmt::format("{} has no version \"{}\"", name, version_text);
  } else {
    choice.reason =
        fmt::format("{} \"{}\" is not a kind that Culvert reads: ignored", version_text, name);
    choice.suggestion = our_group ? nearest(name, names) : "";
  }
  return choice;
}

}  // namespace culvert::config
