// What a route is chosen by: the request, the client, and where the request arrived. Views on the
// caller's memory, valid for one call; HTTP/1.1 and HTTP/2 look the same here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "culvert/base/ip.hpp"
#include "culvert/mesh/identity.hpp"

namespace culvert::l7 {

/// The gateway that stands for the mesh itself (Istio's reserved name).
inline constexpr std::string_view kMesh = "mesh";

struct HeaderView {
  std::string_view name;  // in lower case
  std::string_view value;
};

struct RequestView {
  std::string_view method;
  std::string_view scheme;     // "http" or "https"
  std::string_view authority;  // as sent: the Host header or :authority, perhaps with a port
  std::string_view path;       // normalised, with the query
  std::span<const HeaderView> headers;  // without pseudo-headers and Host
  std::string_view protocol = "HTTP/1.1";

  std::string_view path_without_query() const { return path.substr(0, path.find_first_of("?#")); }
  /// All values of `name` (lower case, or a pseudo-header such as ":method"), joined by "," as
  /// Envoy does, crumbs of a cookie by "; " (RFC 9113, section 8.2.3). nullopt when there is none.
  /// The view is of `storage` where several had to be joined.
  std::optional<std::string_view> header(std::string_view name, std::string& storage) const;
  /// Whether `holds` says so of a value of `name`. Of a header that is sent several times each
  /// value is asked alone, as Envoy does; a cookie is one value however many crumbs it came in.
  template <class Predicate>
  bool any_value(std::string_view name, Predicate holds) const {
    if (name.starts_with(':') || name == "host" || name == "cookie") {
      std::string storage;
      const auto value = header(name, storage);
      return value && holds(*value);
    }
    for (const auto& field : headers) {
      if (field.name == name && holds(field.value)) return true;
    }
    return false;
  }
};

/// Who sent it, as far as that is verified or told by a trusted ztunnel.
struct ClientView {
  std::string_view ns;  // empty when the client is not of the mesh
  const std::map<std::string, std::string>* labels = nullptr;  // null: none known
  std::optional<SocketAddress> address;
  std::string_view identity;  // "spiffe://..."; empty without one
};

struct Visibility;

/// Where it arrived.
struct TargetView {
  std::string_view gateway = kMesh;  // or "NAMESPACE/NAME"
  /// kMesh: the host of the service that the client addressed. A gateway: the request's authority,
  /// perhaps with a port. Any case.
  std::string_view host;
  std::uint16_t port = 0;  // of the service, or the gateway's own
  /// Of the service, as several namespaces may have the same host; empty: not known.
  std::string_view service_ns;
  /// For whom exportTo is asked; nullopt: the client's namespace. At an edge it is the edge's own.
  std::optional<std::string_view> viewer;
  const Visibility* rules_of = nullptr;  // of these namespaces only; null: of all
};

}  // namespace culvert::l7
