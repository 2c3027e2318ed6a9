// Waits that are the same in every process of the data plane.
#pragma once

#include <chrono>

namespace culvert::proxy {

inline constexpr auto kControlWait = std::chrono::seconds(2);        // then an earlier run's state
inline constexpr auto kCertificateWait = std::chrono::seconds(10);   // a certificate on its way
inline constexpr auto kDialTimeout = std::chrono::seconds(10);       // TCP connect
inline constexpr auto kHandshakeTimeout = std::chrono::seconds(10);  // TLS, either side
inline constexpr auto kConnectResponseTimeout = std::chrono::seconds(20);  // CONNECT to 200
inline constexpr std::chrono::seconds kTunnelIdleTimeout = std::chrono::minutes(5);  // unused: kept
inline constexpr std::chrono::seconds kSpareTunnelTimeout{2};  // and one beside another with room

}  // namespace culvert::proxy
