// Words by which objects say that they are waypoints, or use one: Istio's, the Gateway API's, ours.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace culvert::config {

/// Gateways of this class are waypoints; so are those whose GatewayClass has our controllerName.
inline constexpr std::string_view kWaypointClass = "culvert-waypoint";
inline constexpr std::string_view kControllerName = "culvert.io/waypoint-controller";

// Labels.
inline constexpr std::string_view kUseWaypoint = "istio.io/use-waypoint";
inline constexpr std::string_view kUseWaypointNamespace = "istio.io/use-waypoint-namespace";
inline constexpr std::string_view kWaypointFor = "istio.io/waypoint-for";
inline constexpr std::string_view kIngressUseWaypoint = "istio.io/ingress-use-waypoint";
inline constexpr std::string_view kGatewayName = "gateway.networking.k8s.io/gateway-name";

/// Annotation of a waypoint's Gateway: how many pods the lab runs for it; 1 when absent.
inline constexpr std::string_view kReplicas = "culvert.io/replicas";

/// The last part of an image's name that says: our proxy. In a lab there is no other sign of it.
inline constexpr std::string_view kWaypointImage = "culvert-waypoint";
/// "culvert-waypoint", with any registry and tag.
constexpr bool is_waypoint_image(std::string_view image) {
  const auto slash = image.rfind('/');
  const auto last = image.substr(slash == std::string_view::npos ? 0 : slash + 1);
  return last.substr(0, last.find_first_of(":@")) == kWaypointImage;
}

inline constexpr std::string_view kHboneProtocol = "HBONE";  // of its listener
inline constexpr std::uint32_t kWaypointPort = 15008;

/// A waypoint's or edge's pod reaches control by this socket, alone in a folder of its own.
inline constexpr std::string_view kProxySocket = "control.sock";
/// Where control keeps that folder, below its sockets' folder: "pods/NAMESPACE_POD". A long name
/// ends in a hash: a socket's path has 107 bytes (unix(7)).
std::string proxy_folder(std::string_view ns, std::string_view pod);

}  // namespace culvert::config
