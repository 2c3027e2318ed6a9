// The dispatch table.
#include "kinds.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "culvert/config/nearest.hpp"
#include "field_rules.pb.h"
#include "istio_objects.pb.h"
#include "kubernetes.pb.h"
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

void nothing_more(const google::protobuf::Message&, Findings&) {}

std::string api_version(const Kind& kind) {
  return kind.group.empty() ? std::string(kind.versions[0])
                            : fmt::format("{}/{}", kind.group, kind.versions[0]);
}

}  // namespace

std::span<const Kind> kinds() {
  namespace k8s = api::k8s;
  namespace istio = api::istio;
  using api::DNS_LABEL, api::DNS_SUBDOMAIN, api::SERVICE_NAME;
  static const std::vector<Kind> table = {
      {"Node", "", {"v1"}, false, DNS_SUBDOMAIN, make<k8s::Node>, nothing_more},
      {"Namespace", "", {"v1"}, false, DNS_LABEL, make<k8s::Namespace>, nothing_more},
      {"Pod", "", {"v1"}, true, DNS_SUBDOMAIN, make<k8s::Pod>, validate_as<k8s::Pod, validate_pod>},
      {"Service",
       "",
       {"v1"},
       true,
       SERVICE_NAME,
       make<k8s::Service>,
       validate_as<k8s::Service, validate_service>},
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
  return table;
}

KindChoice choose_kind(std::string_view version_text, std::string_view name) {
  const auto slash = version_text.find('/');
  const auto group = slash == std::string_view::npos ? "" : version_text.substr(0, slash);
  const auto version =
      slash == std::string_view::npos ? version_text : version_text.substr(slash + 1);
  KindChoice choice;
  bool our_group = false;
  std::vector<std::string> names;
  for (const auto& kind : kinds()) {
    our_group = our_group || kind.group == group;
    if (kind.group == group) names.emplace_back(kind.name);
    if (kind.name != name) continue;
    if (kind.group == group && std::ranges::find(kind.versions, version) != kind.versions.end()) {
      choice.kind = &kind;
      return choice;
    }
    choice.suggestion = api_version(kind);
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
