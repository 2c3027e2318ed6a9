// Checks that several networking.istio.io objects share. Private to lib/config.
#pragma once

#include <string>
#include <string_view>

#include "findings.hpp"

namespace google::protobuf {
class Duration;
template <class T>
class RepeatedPtrField;
}  // namespace google::protobuf
namespace istio::networking::v1alpha3 {
class Destination;
class Headers;
class Percent;
class StringMatch;
}  // namespace istio::networking::v1alpha3

namespace culvert::config {

using Texts = google::protobuf::RepeatedPtrField<std::string>;

/// "name[3]".
std::string at(const std::string& path, int i);

enum class ZeroDuration { kRefused, kAllowed };
/// At least a millisecond and at most a year, in whole milliseconds.
void check_duration(const google::protobuf::Duration& duration, const std::string& path,
                    Findings& findings, ZeroDuration zero = ZeroDuration::kRefused);
void check_percent(double percent, const std::string& path, Findings& findings);
void check_percent(const ::istio::networking::v1alpha3::Percent& percent, const std::string& path,
                   Findings& findings);
void check_not_negative(std::int64_t value, const std::string& path, Findings& findings);
void check_regex(const std::string& pattern, const std::string& path, Findings& findings);
enum class EmptyText { kRefused, kAllowed };
/// A match without any of exact, prefix and regex is one of presence.
void check_string_match(const ::istio::networking::v1alpha3::StringMatch& match,
                        const std::string& path, Findings& findings,
                        EmptyText empty = EmptyText::kAllowed);

/// A host name: short, full, "*.suffix" or "*"; upper case is allowed.
bool is_host(std::string_view host);
/// The host of a rule; an IP address will do.
void check_host(const std::string& host, const std::string& path, Findings& findings);
void check_hosts(const Texts& hosts, const std::string& path, Findings& findings);
void check_export_to(const Texts& export_to, const std::string& path, Findings& findings);
/// "mesh", NAME or NAMESPACE/NAME.
void check_gateways(const Texts& gateways, const std::string& path, Findings& findings);
void check_destination(const ::istio::networking::v1alpha3::Destination& destination,
                       const std::string& path, Findings& findings);
void check_headers(const ::istio::networking::v1alpha3::Headers& headers, const std::string& path,
                   Findings& findings);
/// "Host" in any case, or ":authority".
bool is_authority(std::string_view name);
/// A field name (RFC 9110, section 5.1).
bool is_header_name(std::string_view name);

}  // namespace culvert::config
