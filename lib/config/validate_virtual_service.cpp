// Istio's rules between the fields of a VirtualService, and stricter where a value could only be a
// mistake. What is not honoured yet stands in unsupported.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "culvert/config/nearest.hpp"
#include "culvert/l7/fault.hpp"
#include "culvert/l7/retry.hpp"
#include "culvert/regex/regex.hpp"
#include "formats.hpp"
#include "istio_objects.pb.h"
#include "networking_checks.hpp"
#include "validate.hpp"

namespace culvert::config {
namespace {

namespace v1 = ::istio::networking::v1alpha3;
using Matches = google::protobuf::Map<std::string, v1::StringMatch>;

constexpr std::array kCorsMethods = {"GET",   "HEAD",  "POST",    "PUT",     "DELETE",
                                     "PATCH", "TRACE", "OPTIONS", "CONNECT", "*"};
constexpr std::array kPseudoHeaders = {":method", ":path", ":authority", ":scheme"};
constexpr std::size_t kMaxDirectBody = std::size_t{1} << 20;
/// Weights are drawn among as a 32-bit number.
constexpr std::int64_t kMaxTotalWeight = std::numeric_limits<std::uint32_t>::max();

void check_header_matches(const Matches& matches, const std::string& path, Findings& findings) {
  for (const auto& [name, match] : matches) {
    const auto field = fmt::format("{}[\"{}\"]", path, name);
    const bool claim = name.starts_with("@request.auth.claims");  // refused by unsupported.cpp
    const bool pseudo = std::ranges::find(kPseudoHeaders, name) != kPseudoHeaders.end();
    if (!claim && !pseudo && !is_header_name(name)) {
      findings.add(field, fmt::format("\"{}\" is not the name of a header", name));
    }
    check_string_match(match, field, findings);
  }
}

void check_match(const v1::HTTPMatchRequest& match, const std::string& path, Findings& findings) {
  for (const auto& [name, text] :
       {std::pair{"uri", match.has_uri() ? &match.uri() : nullptr},
        std::pair{"scheme", match.has_scheme() ? &match.scheme() : nullptr},
        std::pair{"method", match.has_method() ? &match.method() : nullptr},
        std::pair{"authority", match.has_authority() ? &match.authority() : nullptr}}) {
    if (text) {
      check_string_match(*text, fmt::format("{}.{}", path, name), findings, EmptyText::kRefused);
    }
  }
  if (match.uri().match_type_case() == v1::StringMatch::kExact ||
      match.uri().match_type_case() == v1::StringMatch::kPrefix) {
    const auto& text = match.uri().has_exact() ? match.uri().exact() : match.uri().prefix();
    if (text.find_first_of("?#") != std::string::npos) {
      findings.add(path + ".uri",
                   "is compared with the path alone and would never match with a "
                   "query in it: use queryParams");
    }
  }
  check_header_matches(match.headers(), path + ".headers", findings);
  check_header_matches(match.without_headers(), path + ".withoutHeaders", findings);
  for (const auto& [name, text] : match.query_params()) {
    check_string_match(text, fmt::format("{}.queryParams[\"{}\"]", path, name), findings);
  }
  for (const auto& [key, value] : match.source_labels()) {
    if (!is_label_key(key)) {
      findings.add(fmt::format("{}.sourceLabels[\"{}\"]", path, key), "is not a label name");
    }
  }
  if (match.ignore_uri_case() && match.uri().has_regex()) {
    findings.add(path + ".ignoreUriCase",
                 "has no effect on a regular expression: begin the expression with (?i)");
  }
  check_gateways(match.gateways(), path + ".gateways", findings);
}

void check_route(const v1::HTTPRoute& rule, const std::string& path, Findings& findings) {
  std::int64_t total = 0;
  for (int i = 0; i < rule.route_size(); ++i) {
    const auto& target = rule.route(i);
    const auto field = at(path + ".route", i);
    check_destination(target.destination(), field + ".destination", findings);
    check_headers(target.headers(), field + ".headers", findings);
    check_not_negative(target.weight(), field + ".weight", findings);
    total += target.weight();
  }
  if (rule.route_size() > 1 && total == 0) {
    findings.add(path + ".route", "the weights of several destinations must not all be zero");
  }
  if (total > kMaxTotalWeight) findings.add(path + ".route", "the sum of the weights is too large");
}

void check_actions(const v1::HTTPRoute& rule, const std::string& path, Findings& findings) {
  const int actions = (rule.route_size() > 0) + rule.has_redirect() + rule.has_direct_response();
  if (rule.has_delegate()) return;  // refused by unsupported.cpp
  if (actions != 1) {
    findings.add(path, "needs exactly one of route, redirect and directResponse");
  }
  if (rule.route_size() > 0) return;
  for (const auto& [name, set] :
       {std::pair{"rewrite", rule.has_rewrite()}, std::pair{"fault", rule.has_fault()},
        std::pair{"mirror", rule.has_mirror()}, std::pair{"mirrors", rule.mirrors_size() > 0},
        std::pair{"retries", rule.has_retries()}, std::pair{"timeout", rule.has_timeout()}}) {
    if (set) {
      findings.add(fmt::format("{}.{}", path, name), "has no effect without route");
    }
  }
}

void check_redirect(const v1::HTTPRoute& rule, const std::string& path, Findings& findings) {
  const auto& redirect = rule.redirect();
  constexpr std::array kCodes = {0U, 301U, 302U, 303U, 307U, 308U};
  if (redirect.uri().empty() && redirect.prefix_rewrite().empty() && redirect.authority().empty() &&
      redirect.scheme().empty() && redirect.redirect_port_case() == 0) {
    findings.add(path, "needs uri, prefixRewrite, authority, scheme, port or derivePort");
  }
  if (!redirect.uri().empty() && !redirect.prefix_rewrite().empty()) {
    findings.add(path, "only one of uri and prefixRewrite may be set");
  }
  for (const auto& match : rule.match()) {
    if (!redirect.prefix_rewrite().empty() && match.has_uri() && !match.uri().has_prefix()) {
      findings.add(path + ".prefixRewrite", "needs every uri of the rule's matches to be a prefix");
    }
  }
  if (std::ranges::find(kCodes, redirect.redirect_code()) == kCodes.end()) {
    findings.add(path + ".redirectCode", "must be 301, 302, 303, 307 or 308");
  }
}

void check_rewrite(const v1::HTTPRewrite& rewrite, const std::string& path, Findings& findings) {
  if (rewrite.uri().empty() && rewrite.authority().empty() && !rewrite.has_uri_regex_rewrite()) {
    findings.add(path, "needs uri, authority or uriRegexRewrite");
  }
  if (!rewrite.has_uri_regex_rewrite()) return;
  if (!rewrite.uri().empty()) {
    findings.add(path, "only one of uri and uriRegexRewrite may be set");
  }
  const auto& regex = rewrite.uri_regex_rewrite();
  const auto field = path + ".uriRegexRewrite";
  check_regex(regex.match(), field + ".match", findings);
  if (auto made = Regex::compile(regex.match())) {
    if (auto why = made->check_rewrite(regex.rewrite()); !why.empty()) {
      findings.add(field + ".rewrite", why);
    }
  }
}

void check_direct_response(const v1::HTTPDirectResponse& response, const std::string& path,
                           Findings& findings) {
  if (response.status() < 200 || response.status() > 599) {
    findings.add(path + ".status", "must be from 200 to 599");
  }
  const auto size = std::max(response.body().string().size(), response.body().bytes().size());
  if (size > kMaxDirectBody) findings.add(path + ".body", "must be at most 1 MiB");
}

void check_retries(const v1::HTTPRetry& retries, const std::string& path, Findings& findings) {
  check_not_negative(retries.attempts(), path + ".attempts", findings);
  if (retries.has_per_try_timeout()) {
    check_duration(retries.per_try_timeout(), path + ".perTryTimeout", findings);
  }
  if (retries.has_backoff()) check_duration(retries.backoff(), path + ".backoff", findings);
  if (auto on = l7::parse_retry_on(retries.retry_on()); !on) {
    findings.add(path + ".retryOn", fmt::format("unknown condition \"{}\"", on.error()),
                 nearest(on.error(), l7::retry_condition_names()));
  }
  if (retries.attempts() == 0 && retries.ByteSizeLong() > 0) {
    findings.add(path + ".attempts",
                 "is required beside the other fields: without it nothing is tried again");
  }
}

void check_fault(const v1::HTTPFaultInjection& fault, const std::string& path, Findings& findings) {
  if (!fault.has_delay() && !fault.has_abort()) findings.add(path, "needs delay or abort");
  if (fault.has_delay()) {
    const auto& delay = fault.delay();
    if (delay.http_delay_type_case() == 0) {
      findings.add(path + ".delay.fixedDelay", "is required");
    }
    if (delay.has_fixed_delay()) {
      check_duration(delay.fixed_delay(), path + ".delay.fixedDelay", findings);
    }
    check_percent(delay.percentage(), path + ".delay.percentage", findings);
  }
  if (!fault.has_abort()) return;
  const auto& abort = fault.abort();
  check_percent(abort.percentage(), path + ".abort.percentage", findings);
  switch (abort.error_type_case()) {
    case v1::HTTPFaultInjection::Abort::kHttpStatus:
      if (abort.http_status() < 200 || abort.http_status() > 599) {
        findings.add(path + ".abort.httpStatus", "must be from 200 to 599");
      }
      break;
    case v1::HTTPFaultInjection::Abort::kGrpcStatus:
      if (!l7::grpc_status_number(abort.grpc_status())) {
        findings.add(path + ".abort.grpcStatus",
                     fmt::format("unknown status \"{}\"", abort.grpc_status()),
                     nearest(abort.grpc_status(), l7::grpc_status_names()));
      }
      break;
    case v1::HTTPFaultInjection::Abort::kHttp2Error:
      if (!l7::http2_error_number(abort.http2_error())) {
        findings.add(path + ".abort.http2Error",
                     fmt::format("unknown error \"{}\"", abort.http2_error()),
                     nearest(abort.http2_error(), l7::http2_error_names()));
      }
      break;
    case v1::HTTPFaultInjection::Abort::ERROR_TYPE_NOT_SET:
      findings.add(path + ".abort", "needs httpStatus, grpcStatus or http2Error");
  }
}

void check_mirrors(const v1::HTTPRoute& rule, const std::string& path, Findings& findings) {
  if (rule.has_mirror()) check_destination(rule.mirror(), path + ".mirror", findings);
  if (rule.has_mirror() && rule.mirrors_size() > 0) {
    findings.add(path, "only one of mirror and mirrors may be set");
  }
  if (!rule.has_mirror() && rule.has_mirror_percentage()) {
    findings.add(path + ".mirrorPercentage", "has no effect without mirror");
  }
  check_percent(rule.mirror_percentage(), path + ".mirrorPercentage", findings);
  for (int i = 0; i < rule.mirrors_size(); ++i) {
    const auto field = at(path + ".mirrors", i);
    check_destination(rule.mirrors(i).destination(), field + ".destination", findings);
    check_percent(rule.mirrors(i).percentage(), field + ".percentage", findings);
  }
}

void check_cors(const v1::CorsPolicy& cors, const std::string& path, Findings& findings) {
  for (int i = 0; i < cors.allow_origins_size(); ++i) {
    check_string_match(cors.allow_origins(i), at(path + ".allowOrigins", i), findings,
                       EmptyText::kRefused);
  }
  for (int i = 0; i < cors.allow_methods_size(); ++i) {
    const auto& method = cors.allow_methods(i);
    if (std::ranges::find(kCorsMethods, method) == kCorsMethods.end()) {
      findings.add(at(path + ".allowMethods", i), fmt::format("\"{}\" is no method", method),
                   nearest(method, {kCorsMethods.begin(), kCorsMethods.end()}));
    }
  }
  for (const auto& [name, list] : {std::pair{"allowHeaders", &cors.allow_headers()},
                                   std::pair{"exposeHeaders", &cors.expose_headers()}}) {
    for (int i = 0; i < list->size(); ++i) {
      if (!is_header_name((*list)[i])) {
        findings.add(at(fmt::format("{}.{}", path, name), i), "is not the name of a header");
      }
    }
  }
  if (cors.max_age().nanos() != 0) findings.add(path + ".maxAge", "must be in whole seconds");
  if (cors.max_age().seconds() < 0) findings.add(path + ".maxAge", "must not be negative");
}

/// One place may set the authority.
void check_authority(const v1::HTTPRoute& rule, const std::string& path, Findings& findings) {
  int places = !rule.rewrite().authority().empty();
  for (const auto* values : {&rule.headers().request().set(), &rule.headers().request().add()}) {
    for (const auto& [name, value] : *values) {
      places += is_authority(name);
    }
  }
  if (places > 1) findings.add(path, "sets the authority in several places");
}

void check_rule(const v1::HTTPRoute& rule, const std::string& path, Findings& findings) {
  for (int i = 0; i < rule.match_size(); ++i) {
    check_match(rule.match(i), at(path + ".match", i), findings);
  }
  check_actions(rule, path, findings);
  check_route(rule, path, findings);
  if (rule.has_redirect()) check_redirect(rule, path + ".redirect", findings);
  if (rule.has_rewrite()) check_rewrite(rule.rewrite(), path + ".rewrite", findings);
  if (rule.has_direct_response()) {
    check_direct_response(rule.direct_response(), path + ".directResponse", findings);
  }
  if (rule.has_timeout()) {
    check_duration(rule.timeout(), path + ".timeout", findings, ZeroDuration::kAllowed);
  }
  if (rule.has_retries()) check_retries(rule.retries(), path + ".retries", findings);
  if (rule.has_fault()) check_fault(rule.fault(), path + ".fault", findings);
  check_mirrors(rule, path, findings);
  check_cors(rule.cors_policy(), path + ".corsPolicy", findings);
  check_headers(rule.headers(), path + ".headers", findings);
  check_authority(rule, path, findings);
}

}  // namespace

void validate_virtual_service(const api::istio::VirtualService& object, Findings& findings) {
  const auto& spec = object.spec();
  check_hosts(spec.hosts(), "spec.hosts", findings);
  check_gateways(spec.gateways(), "spec.gateways", findings);
  check_export_to(spec.export_to(), "spec.exportTo", findings);
  const bool mesh = spec.gateways().empty() ||
                    std::ranges::find(spec.gateways(), "mesh") != spec.gateways().end();
  for (int i = 0; i < spec.hosts_size(); ++i) {
    if (mesh && spec.hosts(i) == "*") {
      findings.add(at("spec.hosts", i), "\"*\" needs gateways, without \"mesh\"");
    }
  }
  if (spec.http_size() + spec.tcp_size() + spec.tls_size() == 0) {
    findings.add("spec.http", "is required: a VirtualService without rules would serve nobody");
  }
  for (int i = 0; i < spec.http_size(); ++i) {
    check_rule(spec.http(i), at("spec.http", i), findings);
  }
}

}  // namespace culvert::config
