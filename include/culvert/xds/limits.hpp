// Every bound of the xDS client and server, in one place.
#pragma once

#include <chrono>
#include <cstddef>

namespace culvert::xds {

// What a client takes from a server.
inline constexpr std::size_t kMaxResponseBytes = 200U << 20;     // Istio's ztunnel's own limit
inline constexpr std::size_t kMaxResponseResources = 1'000'000;  // added and removed together
inline constexpr std::size_t kMaxHeldResources = 1'000'000;      // of one type
inline constexpr std::size_t kMaxResourceBytes = 4U << 20;
inline constexpr std::size_t kMaxNameBytes = 2048;

// What a server takes from a client, on one stream.
inline constexpr std::size_t kMaxRequestBytes = 64U << 20;  // initial versions of a large mesh
inline constexpr std::size_t kMaxTypes = 16;
inline constexpr std::size_t kMaxSubscribedNames = 10'000;  // of one type
inline constexpr std::size_t kMaxInitialVersions = 1'000'000;
inline constexpr std::size_t kMaxStreamsPerNode = 300;  // ztunnels, that drain too, and waypoints

// What a server puts into one response: below the 4 MiB that gRPC libraries take by default.
inline constexpr std::size_t kResponseBytes = 3U << 20;
inline constexpr std::size_t kResponseResources = 10'000;

/// Text of a NACK, both ways; longer ones are cut.
inline constexpr std::size_t kMaxNackTextBytes = 4096;

// Connecting.
inline constexpr std::chrono::seconds kConnectTimeout{5};

// Certificates.
inline constexpr std::size_t kMaxChainBytes = 1U << 20;
inline constexpr std::size_t kMaxChainCertificates = 32;
inline constexpr std::chrono::seconds kCertificateDeadline{10};

}  // namespace culvert::xds
