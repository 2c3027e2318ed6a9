// What must hold between the fields of an object. Private to lib/config.
#pragma once

#include "findings.hpp"

namespace culvert::api::k8s {
class Deployment;
class EndpointSlice;
class Pod;
class PodSpec;
class Service;
}  // namespace culvert::api::k8s
namespace culvert::api::istio {
class AuthorizationPolicy;
class DestinationRule;
class Gateway;
class PeerAuthentication;
class ServiceEntry;
class VirtualService;
}  // namespace culvert::api::istio
namespace culvert::api::gateway {
class Gateway;
}

namespace culvert::config {

void validate_pod(const api::k8s::Pod& pod, Findings& findings);
void validate_pod_spec(const api::k8s::PodSpec& spec, const std::string& path, Findings& findings);
void validate_deployment(const api::k8s::Deployment& deployment, Findings& findings);
void validate_service(const api::k8s::Service& service, Findings& findings);
void validate_endpoint_slice(const api::k8s::EndpointSlice& slice, Findings& findings);
void validate_peer_authentication(const api::istio::PeerAuthentication& object, Findings& findings);
void validate_authorization_policy(const api::istio::AuthorizationPolicy& object,
                                   Findings& findings);
void validate_virtual_service(const api::istio::VirtualService& object, Findings& findings);
void validate_destination_rule(const api::istio::DestinationRule& object, Findings& findings);
void validate_service_entry(const api::istio::ServiceEntry& object, Findings& findings);
void validate_istio_gateway(const api::istio::Gateway& object, Findings& findings);
void validate_gateway(const api::gateway::Gateway& object, Findings& findings);

}  // namespace culvert::config
