#include "ztunnel/control/link_options.hpp"

#include "culvert/xds/resources.hpp"

namespace culvert::ztunnel {

proxy::ControlLinkOptions link_options(const Settings& settings) {
  proxy::ControlLinkOptions options;
  options.socket = settings.control_socket;
  options.state_dir = settings.state_dir;
  // A ztunnel's name in xDS, in Istio's form: TYPE~IP~POD.NAMESPACE~DOMAIN.
  options.node.id =
      "ztunnel~127.0.0.1~" + settings.node + ".culvert-system~culvert-system.svc.cluster.local";
  options.node.cluster = settings.cluster_id;
  options.node.metadata = {{"NODE_NAME", settings.node}, {"CLUSTER_ID", settings.cluster_id}};
  // Policies first, so that no workload that comes names one that is not here (xds/session.hpp).
  options.type_urls = {std::string(xds::kAuthorizationType), std::string(xds::kAddressType)};
  return options;
}

}  // namespace culvert::ztunnel
