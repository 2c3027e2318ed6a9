// istio.security.Authorization into mesh::Policy.
#include <algorithm>
#include <limits>

#include "authorization.pb.h"
#include "culvert/xds/resources.hpp"

namespace culvert::xds {
namespace {

namespace wire = istio::security;

auto invalid(const char* text) {
  return fail(ErrorCode::kInvalid, text, Origin::kControl);
}

template <class In>
Result<void> read_strings(const In& in, std::vector<mesh::StringMatch>& out) {
  using Kind = mesh::StringMatch::Kind;
  for (const auto& m : in) {
    switch (m.match_type_case()) {
      case wire::StringMatch::kExact:
        out.push_back({Kind::kExact, m.exact()});
        break;
      case wire::StringMatch::kPrefix:
        out.push_back({Kind::kPrefix, m.prefix()});
        break;
      case wire::StringMatch::kSuffix:
        out.push_back({Kind::kSuffix, m.suffix()});
        break;
      case wire::StringMatch::kPresence:
        out.push_back({Kind::kPresence, ""});
        break;
      case wire::StringMatch::MATCH_TYPE_NOT_SET:
        return invalid("string match of unknown type");
    }
  }
  return {};
}

template <class In>
Result<void> read_addresses(const In& in, std::vector<IpPrefix>& out) {
  for (const auto& a : in) {
    const auto& raw = a.address();
    auto ip =
        IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size()});
    if (!ip) return invalid("policy address of neither 4 nor 16 bytes");
    if (a.length() > raw.size() * 8) return invalid("policy prefix longer than its address");
    if (ip->is_v4() && raw.size() == 16) {
      // Written as ::ffff:0:0/96 and longer: the model counts bits of IPv4.
      if (a.length() < 96) return invalid("policy prefix across both address families");
      out.push_back({*ip, static_cast<std::uint8_t>(a.length() - 96)});
    } else {
      out.push_back({*ip, static_cast<std::uint8_t>(a.length())});
    }
  }
  return {};
}

template <class In>
Result<void> read_ports(const In& in, std::vector<std::uint16_t>& out) {
  for (auto port : in) {
    if (port > std::numeric_limits<std::uint16_t>::max()) return invalid("port over 65535");
    out.push_back(static_cast<std::uint16_t>(port));
  }
  return {};
}

template <class In>
void read_accounts(const In& in, std::vector<mesh::ServiceAccountMatch>& out) {
  for (const auto& a : in) out.push_back({a.namespace_(), a.serviceaccount()});
}

Result<mesh::Match> to_match(const wire::Match& in) {
  mesh::Match out;
  read_accounts(in.service_accounts(), out.service_accounts);
  read_accounts(in.not_service_accounts(), out.not_service_accounts);
  for (const auto& done : {
           read_strings(in.namespaces(), out.namespaces),
           read_strings(in.not_namespaces(), out.not_namespaces),
           read_strings(in.principals(), out.principals),
           read_strings(in.not_principals(), out.not_principals),
           read_addresses(in.source_ips(), out.source_ips),
           read_addresses(in.not_source_ips(), out.not_source_ips),
           read_addresses(in.destination_ips(), out.destination_ips),
           read_addresses(in.not_destination_ips(), out.not_destination_ips),
           read_ports(in.destination_ports(), out.destination_ports),
           read_ports(in.not_destination_ports(), out.not_destination_ports),
       }) {
    if (!done) return std::unexpected(done.error());
  }
  return out;
}

/// Extensions cannot be judged here. An ALLOW match with one must not match; a DENY match must
/// match by the rest, and without a rest always, which drops its clause.
Result<mesh::Clause> to_clause(const wire::Clause& in, bool deny) {
  mesh::Clause out;
  for (const auto& m : in.matches()) {
    auto match = to_match(m);
    if (!match) return std::unexpected(match.error());
    if (!m.extensions().empty()) {
      if (deny && match->empty()) return mesh::Clause{};
      match->never = !deny;
    }
    out.matches.push_back(std::move(*match));
  }
  return out;
}

}  // namespace

Result<mesh::Policy> parse_authorization(std::string_view bytes) {
  wire::Authorization in;
  if (bytes.size() > std::numeric_limits<int>::max() ||
      !in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kProtocol, "parse an Authorization", Origin::kControl);
  }
  if (in.name().empty()) return invalid("policy without a name");
  if (!wire::Scope_IsValid(in.scope())) return invalid("unknown policy scope");
  if (!wire::Action_IsValid(in.action())) return invalid("unknown policy action");
  mesh::Policy out;
  out.ns = in.namespace_();
  out.name = in.name();
  out.scope = static_cast<mesh::Policy::Scope>(in.scope());
  out.action = static_cast<mesh::Policy::Action>(in.action());
  out.dry_run = in.dry_run();
  for (const auto& rule : in.rules()) {
    auto& to = out.rules.emplace_back();
    for (const auto& clause : rule.clauses()) {
      auto read = to_clause(clause, in.action() == wire::DENY);
      if (!read) return std::unexpected(read.error());
      to.clauses.push_back(std::move(*read));
    }
  }
  return out;
}

}  // namespace culvert::xds
