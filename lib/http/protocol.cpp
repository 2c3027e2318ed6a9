#include "culvert/http/protocol.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "characters.hpp"
#include "culvert/http/limits.hpp"

namespace culvert::http {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

constexpr std::array<std::pair<std::string_view, PortProtocol>, 12> kNames{{
    {"http", PortProtocol::kHttp},
    {"http2", PortProtocol::kHttp2},
    {"grpc", PortProtocol::kGrpc},
    {"grpc-web", PortProtocol::kGrpcWeb},
    {"https", PortProtocol::kHttps},
    {"tls", PortProtocol::kTls},
    {"tcp", PortProtocol::kTcp},
    {"mongo", PortProtocol::kMongo},
    {"mysql", PortProtocol::kMysql},
    {"redis", PortProtocol::kRedis},
    {"udp", PortProtocol::kUdp},
    {"unknown", PortProtocol::kUnknown},
}};

PortProtocol by_name(std::string_view name) {
  for (const auto& [known, protocol] : kNames) {
    if (protocol != PortProtocol::kUnknown && equal_ignoring_case(name, known)) return protocol;
  }
  return PortProtocol::kUnknown;
}

// The names that Kubernetes itself gives appProtocol.
PortProtocol by_kubernetes_name(std::string_view name) {
  if (name == "kubernetes.io/h2c") return PortProtocol::kHttp2;
  if (name == "kubernetes.io/ws") return PortProtocol::kHttp;
  if (name == "kubernetes.io/wss") return PortProtocol::kHttps;
  return PortProtocol::kUnknown;
}

bool server_speaks_first(std::uint16_t port) {
  return port == 25 || port == 53 || port == 3306 || port == 27017;
}

// Handshake record, TLS 1.0 to 1.3 as records say it, of a possible length, with a ClientHello (RFC
// 8446 sections 4 and 5.1).
Detected detect_tls(std::string_view bytes) {
  constexpr std::size_t kNeeded = 6;
  constexpr unsigned kMaxRecordBytes = 16'384;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  if (bytes.size() > 1 && byte(1) != 3) return Detected::kTcp;
  if (bytes.size() > 2 && byte(2) > 4) return Detected::kTcp;
  if (bytes.size() > 4) {
    const unsigned length = byte(3) * 256U + byte(4);
    if (length < 4 || length > kMaxRecordBytes) return Detected::kTcp;
  }
  if (bytes.size() >= kNeeded) return byte(5) == 1 ? Detected::kTls : Detected::kTcp;
  return Detected::kMore;
}

// As lenient servers read a first line (RFC 9112 section 3).
constexpr std::string_view kSpaces = " \t\v\f\r";

bool has_version(std::string_view line) {
  constexpr std::string_view kVersion = "HTTP/";
  for (auto at = line.find_first_of(kSpaces); at != std::string_view::npos;
       at = line.find_first_of(kSpaces, at + 1)) {
    if (equal_ignoring_case(line.substr(at + 1, kVersion.size()), kVersion)) return true;
  }
  return false;
}

// The oldest form of a request, which names no version; servers answer it still.
bool is_http09(std::string_view method, std::string_view rest) {
  const auto target = rest.substr(std::min(rest.find_first_not_of(kSpaces), rest.size()));
  return method == "GET" && target.starts_with('/');
}

// A first line longer than is looked at. `padded`: white space took room before the method, or
// behind it, so that less than a line was seen.
bool begins_request(std::string_view method, std::string_view rest, bool padded) {
  const auto target = rest.substr(std::min(rest.find_first_not_of(kSpaces), rest.size()));
  constexpr std::string_view kHttp = "http";
  if (target.empty()) return padded || !rest.empty();
  return target.starts_with('/') || equal_ignoring_case(target.substr(0, kHttp.size()), kHttp) ||
         equal_ignoring_case(method, "CONNECT");
}

// What claims to be HTTP counts as such, however badly it is written: as plain TCP it would pass
// rules by.
Detected detect_http1(std::string_view bytes, bool ended) {
  const bool full = bytes.size() >= kMaxDetectBytes;
  bytes = bytes.substr(0, kMaxDetectBytes);
  // Servers pass over white space before a request, some over any amount; the reader judges it.
  const auto padding = std::min(bytes.find_first_not_of(" \t\v\f\r\n"), bytes.size());
  bytes.remove_prefix(padding);
  if (bytes.empty()) return full ? Detected::kHttp1 : Detected::kMore;
  const auto line_end = std::min(bytes.find('\n'), bytes.size());
  const auto line = bytes.substr(0, line_end);
  const auto method_end = std::min(line.find_first_of(kSpaces), line.size());
  const auto method = line.substr(0, method_end);
  if (!is_token(method)) return Detected::kTcp;
  const auto rest = line.substr(method_end);
  if (has_version(rest)) return Detected::kHttp1;
  const bool whole = ended || line_end < bytes.size();
  if ((whole || rest.find('\r', 1) != std::string_view::npos) && is_http09(method, rest)) {
    return Detected::kHttp1;
  }
  if (whole) return Detected::kTcp;
  if (!full) return Detected::kMore;
  return begins_request(method, rest, padding > 0) ? Detected::kHttp1 : Detected::kTcp;
}

}  // namespace

PortProtocol declared_protocol(std::string_view port_name,
                               std::optional<std::string_view> app_protocol, std::uint16_t port) {
  std::string_view name = port_name;
  if (app_protocol) {
    name = *app_protocol;
    const auto known = by_kubernetes_name(name);
    if (known != PortProtocol::kUnknown) return known;
  }
  constexpr std::string_view kGrpcWebName = "grpc-web";
  if (equal_ignoring_case(name.substr(0, kGrpcWebName.size()), kGrpcWebName)) {
    return PortProtocol::kGrpcWeb;
  }
  const auto declared = by_name(name.substr(0, name.find('-')));
  if (declared == PortProtocol::kUnknown && server_speaks_first(port)) return PortProtocol::kTcp;
  return declared;
}

const char* name_of(PortProtocol protocol) {
  const auto* found =
      std::ranges::find(kNames, protocol, &std::pair<std::string_view, PortProtocol>::second);
  return found->first.data();
}

Detected detect_protocol(std::span<const std::uint8_t> first_bytes, bool ended) {
  const std::string_view bytes(reinterpret_cast<const char*>(first_bytes.data()),
                               first_bytes.size());
  if (bytes.empty()) return Detected::kMore;
  if (bytes.front() == 0x16) return detect_tls(bytes);
  const auto compared = std::min(bytes.size(), kPreface.size());
  if (bytes.substr(0, compared) == kPreface.substr(0, compared)) {
    return compared == kPreface.size() ? Detected::kHttp2 : Detected::kMore;
  }
  return detect_http1(bytes, ended);
}

}  // namespace culvert::http
