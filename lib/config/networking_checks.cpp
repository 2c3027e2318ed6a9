// Istio's rules for the parts of its networking objects, and stricter where a value could only be a
// mistake.
#include "networking_checks.hpp"

#include <fmt/format.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <set>

#include "culvert/base/ip.hpp"
#include "culvert/config/nearest.hpp"
#include "culvert/l7/header_value.hpp"
#include "culvert/l7/hop_fields.hpp"
#include "culvert/regex/regex.hpp"
#include "formats.hpp"
#include "virtual_service.pb.h"

namespace culvert::config {
namespace {

namespace v1 = ::istio::networking::v1alpha3;

constexpr std::int64_t kMaxDurationMs = std::int64_t{366} * 24 * 3600 * 1000;

bool is_token(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

enum class Authority { kRefused, kAllowed };

void check_operation_name(const std::string& name, Authority authority, const std::string& path,
                          Findings& findings) {
  if (is_authority(name)) {
    if (authority == Authority::kRefused) {
      findings.add(path, fmt::format("the header \"{}\" cannot be changed here", name));
    }
    return;
  }
  if (name.starts_with(':')) {
    findings.add(path, fmt::format("\"{}\" is no header, but a part of the request line", name));
  } else if (!is_header_name(name)) {
    findings.add(path, fmt::format("\"{}\" is not the name of a header", name));
  } else if (l7::is_of_the_hop(lower(name))) {
    findings.add(path, fmt::format("the header \"{}\" cannot be changed: each hop writes it for "
                                   "itself",
                                   name));
  }
}

void check_values(const google::protobuf::Map<std::string, std::string>& values,
                  Authority authority, const std::string& path, Findings& findings) {
  for (const auto& [name, value] : values) {
    const auto field = fmt::format("{}[\"{}\"]", path, name);
    check_operation_name(name, authority, field, findings);
    if (auto parsed = l7::HeaderValue::parse(value); !parsed) {
      findings.add(field, parsed.error());
    }
  }
}

void check_operations(const v1::Headers::HeaderOperations& operations, Authority authority,
                      const std::string& path, Findings& findings) {
  check_values(operations.set(), authority, path + ".set", findings);
  check_values(operations.add(), authority, path + ".add", findings);
  for (int i = 0; i < operations.remove_size(); ++i) {
    check_operation_name(operations.remove(i), Authority::kRefused, at(path + ".remove", i),
                         findings);
  }
}

}  // namespace

std::string at(const std::string& path, int i) {
  return fmt::format("{}[{}]", path, i);
}

void check_duration(const google::protobuf::Duration& duration, const std::string& path,
                    Findings& findings, ZeroDuration zero) {
  const bool is_zero = duration.seconds() == 0 && duration.nanos() == 0;
  if (is_zero && zero == ZeroDuration::kAllowed) return;
  if (duration.seconds() < 0 || duration.nanos() < 0 ||
      (duration.seconds() == 0 && duration.nanos() < 1'000'000)) {
    return findings.add(path, "must be at least 1ms");
  }
  if (duration.seconds() > kMaxDurationMs / 1000) {
    return findings.add(path, "must be at most a year");
  }
  if (duration.nanos() % 1'000'000 != 0) findings.add(path, "must be in whole milliseconds");
}

void check_percent(double percent, const std::string& path, Findings& findings) {
  if (!(percent >= 0 && percent <= 100)) findings.add(path, "must be from 0 to 100");
}

void check_percent(const v1::Percent& percent, const std::string& path, Findings& findings) {
  check_percent(percent.value(), path + ".value", findings);
}

void check_not_negative(std::int64_t value, const std::string& path, Findings& findings) {
  if (value < 0) findings.add(path, "must not be negative");
}

void check_regex(const std::string& pattern, const std::string& path, Findings& findings) {
  if (pattern.empty()) return findings.add(path, "must not be empty");
  if (auto made = Regex::compile(pattern); !made) {
    findings.add(path, fmt::format("is not a regular expression (RE2): {}", made.error()),
                 suggest_pattern(pattern));
  }
}

void check_string_match(const v1::StringMatch& match, const std::string& path, Findings& findings,
                        EmptyText empty) {
  switch (match.match_type_case()) {
    case v1::StringMatch::kRegex:
      return check_regex(match.regex(), path + ".regex", findings);
    case v1::StringMatch::kPrefix:
      if (match.prefix().empty()) {
        findings.add(path + ".prefix", "must not be empty: to match presence, write {}");
      }
      return;
    case v1::StringMatch::kExact:
      if (match.exact().empty() && empty == EmptyText::kRefused) {
        findings.add(path + ".exact", "must not be empty");
      }
      return;
    case v1::StringMatch::MATCH_TYPE_NOT_SET:
      if (empty == EmptyText::kRefused) findings.add(path, "needs exact, prefix or regex");
      return;
  }
}

bool is_host(std::string_view host) {
  if (host == "*") return true;
  if (host.starts_with("*.")) host.remove_prefix(2);
  return is_dns_subdomain(lower(host));
}

void check_host(const std::string& host, const std::string& path, Findings& findings) {
  if (is_host(host) || IpAddress::parse(host)) return;
  findings.add(path,
               "must be a host name, such as \"reviews\", \"reviews.shop.svc.cluster.local\" "
               "or \"*.shop.example\"");
}

void check_hosts(const Texts& hosts, const std::string& path, Findings& findings) {
  std::set<std::string> seen;
  for (int i = 0; i < hosts.size(); ++i) {
    check_host(hosts[i], at(path, i), findings);
    if (!seen.insert(lower(hosts[i])).second) findings.add(at(path, i), "is there twice");
  }
}

void check_export_to(const Texts& export_to, const std::string& path, Findings& findings) {
  for (int i = 0; i < export_to.size(); ++i) {
    const auto& name = export_to[i];
    if (name == "*" || name == "." || name == "~") {
      if (export_to.size() > 1 && name != ".") {
        findings.add(at(path, i), fmt::format("\"{}\" must stand alone", name));
      }
    } else if (!is_dns_label(name)) {
      findings.add(at(path, i),
                   "must be a namespace, \".\" (its own), \"*\" (all) or \"~\" (none)");
    }
  }
}

void check_gateways(const Texts& gateways, const std::string& path, Findings& findings) {
  for (int i = 0; i < gateways.size(); ++i) {
    std::string_view name = gateways[i];
    const auto slash = name.find('/');
    const bool good_ns = slash == std::string_view::npos || is_dns_label(name.substr(0, slash));
    if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
    if (!good_ns || !is_dns_subdomain(name)) {
      findings.add(at(path, i), "must be \"mesh\", or a Gateway as NAME or NAMESPACE/NAME");
    }
  }
}

void check_destination(const v1::Destination& destination, const std::string& path,
                       Findings& findings) {
  const auto& host = destination.host();
  if (host == "*" || host.starts_with("*.")) {
    findings.add(path + ".host", "must be one host, not a wildcard");
  } else if (!host.empty()) {
    check_host(host, path + ".host", findings);
  }
}

void check_headers(const v1::Headers& headers, const std::string& path, Findings& findings) {
  check_operations(headers.request(), Authority::kAllowed, path + ".request", findings);
  check_operations(headers.response(), Authority::kRefused, path + ".response", findings);
}

bool is_authority(std::string_view name) {
  const auto folded = lower(name);
  return folded == "host" || folded == ":authority";
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, is_token);
}

}  // namespace culvert::config
