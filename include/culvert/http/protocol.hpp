// Which protocol a connection speaks: by its port's declaration, else by its first bytes. Pure; any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace culvert::http {

/// As Istio reads a Service's ports.
enum class PortProtocol : std::uint8_t {
  kUnknown,  // not declared: its connections are detected
  kHttp,
  kHttp2,
  kGrpc,
  kGrpcWeb,  // HTTP/1.1 or HTTP/2
  kHttps,
  kTls,
  kTcp,
  kMongo,
  kMysql,
  kRedis,
  kUdp,
};

/// `app_protocol` decides if it is set, else what stands before the first '-' in the port's name
/// ("http-web"; "grpc-web" as a whole), without regard to case. Ports 25, 53, 3306 and 27017
/// without a declaration are kTcp: there the server speaks first.
PortProtocol declared_protocol(std::string_view port_name,
                               std::optional<std::string_view> app_protocol, std::uint16_t port);

/// "http", "grpc-web", ...; as in a port's name.
const char* name_of(PortProtocol protocol);

enum class Detected : std::uint8_t {
  kMore,   // the bytes fit more than one; ask again with more
  kHttp1,  // a request, well-formed or not: then the reader refuses it
  kHttp2,  // the preface of RFC 9113 section 3.4
  kTls,    // a ClientHello
  kTcp,    // none of these
};

/// A first line may be so long before it is taken for what its beginning says.
inline constexpr std::size_t kMaxDetectBytes = 8U << 10;

/// `first_bytes`: all that the client has sent; `ended`: and will send. Once the answer is not
/// kMore, more bytes do not change it. Whoever asks waits a bounded time only: a client may wait
/// for its server to speak.
///
/// HTTP/1.1 is what any server might take for it, so that it does not pass rules by as TCP: a first
/// line with HTTP/ behind any white space in any case, known before the line has ended; and "GET
/// /x" alone, by which HTTP/0.9 asked.
Detected detect_protocol(std::span<const std::uint8_t> first_bytes, bool ended = false);

}  // namespace culvert::http
