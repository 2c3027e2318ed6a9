#include "waypoint/control/link_options.hpp"

#include "culvert/l7/wire_object.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::waypoint {

proxy::ControlLinkOptions link_options(const Settings& settings) {
  proxy::ControlLinkOptions options;
  options.socket = settings.control_socket;
  // In Istio's form: TYPE~IP~POD.NAMESPACE~DOMAIN.
  options.node.id = (settings.edge ? "router~" : "waypoint~") +
                    settings.pod_ips.front().to_string() + "~" + settings.name + "." + settings.ns +
                    "~" + settings.ns + ".svc.cluster.local";
  options.node.cluster = settings.cluster_id;
  options.node.metadata = {{"NAME", settings.name},
                           {"NAMESPACE", settings.ns},
                           {"SERVICE_ACCOUNT", settings.service_account},
                           {"CLUSTER_ID", settings.cluster_id}};
  // Policies before the workloads that name them, services before the rules that lead to them.
  options.type_urls = {std::string(xds::kAuthorizationType), std::string(xds::kAddressType),
                       std::string(xds::kLabelsType), std::string(l7::kDestinationRuleType),
                       std::string(l7::kVirtualServiceType)};
  if (settings.edge) options.type_urls.emplace_back(l7::kGatewayType);
  return options;
}

}  // namespace culvert::waypoint
