// Actions of rules, from their messages.
#include "compile_rule.hpp"

#include "culvert/l7/hop_fields.hpp"
#include "read.hpp"
#include "virtual_service.pb.h"

namespace culvert::l7 {
namespace {

namespace v1 = ::istio::networking::v1alpha3;
using Operations = v1::Headers::HeaderOperations;
using Values = google::protobuf::Map<std::string, std::string>;

bool is_authority(std::string_view name) {
  return name == ":authority" || name == "host";
}

/// Of a header that may be changed: no pseudo-header, nothing that would end the name, nothing that
/// a hop writes for itself.
bool is_name(std::string_view name) {
  return !name.empty() && name.find_first_of(": \t\r\n") == std::string_view::npos &&
         !is_of_the_hop(name);
}

constexpr bool is_status(std::int64_t status) {
  return status >= 200 && status <= 599;
}
constexpr bool is_port_or_none(std::uint32_t port) {
  return port <= UINT16_MAX;
}

void append_values(const Values& values, HeaderOperation::Kind kind, HeaderOperations& out,
                   std::string* authority) {
  const std::map<std::string, std::string> sorted(values.begin(), values.end());
  for (const auto& [written, text] : sorted) {
    auto name = lower_case(written);
    if (is_authority(name)) {
      if (authority && authority->empty()) *authority = text;
      continue;
    }
    auto value = HeaderValue::parse(text);
    if (!is_name(name) || !value) continue;  // refused by validators
    out.push_back({kind, std::move(name), std::move(*value)});
  }
}

/// Envoy removes first, then sets and adds in order.
void append_operations(const std::vector<const Operations*>& levels, HeaderOperations& out,
                       std::string* authority) {
  for (const auto* level : levels) {
    for (const auto& written : level->remove()) {
      auto name = lower_case(written);
      if (!is_name(name) || name == "host") continue;
      out.push_back({HeaderOperation::Kind::kRemove, std::move(name), {}});
    }
  }
  for (const auto* level : levels) {
    append_values(level->set(), HeaderOperation::Kind::kSet, out, authority);
    append_values(level->add(), HeaderOperation::Kind::kAdd, out, authority);
  }
}

/// With one destination, Istio puts its operations behind the rule's into the same level; of
/// several, each has its own level, which Envoy does before the rule's.
void compile_headers(const v1::HTTPRoute& rule, const v1::HTTPRouteDestination& target, bool alone,
                     Destination& out) {
  const auto* rule_request = &rule.headers().request();
  const auto* own_request = &target.headers().request();
  const auto* rule_response = &rule.headers().response();
  const auto* own_response = &target.headers().response();
  out.authority = rule.rewrite().authority();
  std::string of_rule;
  std::string of_target;
  HeaderOperations ignored;
  append_operations({rule_request}, ignored, &of_rule);
  append_operations({own_request}, ignored, &of_target);
  if (out.authority.empty()) out.authority = of_rule.empty() ? of_target : of_rule;
  if (alone) {
    append_operations({rule_request, own_request}, out.request_headers, nullptr);
    append_operations({rule_response, own_response}, out.response_headers, nullptr);
    return;
  }
  append_operations({own_request}, out.request_headers, nullptr);
  append_operations({rule_request}, out.request_headers, nullptr);
  append_operations({own_response}, out.response_headers, nullptr);
  append_operations({rule_response}, out.response_headers, nullptr);
}

UpstreamPtr upstream_of(const v1::Destination& from, RuleContext& context) {
  return context.upstream(full_host(from.host(), context.ns, context.domain), from.subset());
}

/// A single destination gets everything, whatever its weight; of several those with a weight.
bool compile_destinations(const v1::HTTPRoute& from, RuleContext& context, Forward& out) {
  std::uint64_t total = 0;
  const bool alone = from.route_size() == 1;
  for (const auto& target : from.route()) {
    if (!alone && target.weight() <= 0) continue;
    total += alone ? 1 : static_cast<std::uint64_t>(target.weight());
    if (!is_port_or_none(target.destination().port().number())) return false;
    Destination destination;
    destination.upstream = upstream_of(target.destination(), context);
    destination.port = static_cast<std::uint16_t>(target.destination().port().number());
    destination.weights_to_here = total;
    compile_headers(from, target, alone, destination);
    out.destinations.push_back(std::move(destination));
  }
  return !out.destinations.empty() && total <= UINT32_MAX;
}

std::optional<RetryPolicy> compile_retries(const v1::HTTPRoute& from) {
  if (!from.has_retries()) return default_retry_policy();
  const auto& retries = from.retries();
  if (retries.attempts() <= 0) return std::nullopt;
  auto policy = default_retry_policy();
  policy.attempts = static_cast<std::uint32_t>(retries.attempts());
  if (!retries.retry_on().empty()) {
    if (auto on = parse_retry_on(retries.retry_on())) policy.on = std::move(*on);
  }
  if (retries.has_per_try_timeout()) policy.per_try_timeout = to_ms(retries.per_try_timeout());
  if (retries.has_backoff()) policy.backoff = to_ms(retries.backoff());
  if (retries.has_retry_ignore_previous_hosts()) {
    policy.avoid_previous_hosts = retries.retry_ignore_previous_hosts().value();
  }
  return policy;
}

void compile_fault(const v1::HTTPFaultInjection& from, Forward& out) {
  if (from.delay().has_fixed_delay()) {
    out.delay =
        DelayFault{to_ms(from.delay().fixed_delay()), to_share(from.delay().percentage().value())};
  }
  const auto& abort = from.abort();
  std::optional<AbortError> error;
  if (abort.has_http_status() && is_status(abort.http_status())) {
    error = HttpStatusFault{static_cast<std::uint16_t>(abort.http_status())};
  } else if (const auto grpc = grpc_status_number(abort.grpc_status());
             abort.has_grpc_status() && grpc) {
    error = GrpcStatusFault{*grpc};
  } else if (const auto h2 = http2_error_number(abort.http2_error());
             abort.has_http2_error() && h2) {
    error = Http2ErrorFault{*h2};
  }
  if (error) out.abort = AbortFault{*error, to_share(abort.percentage().value())};
}

void compile_mirrors(const v1::HTTPRoute& from, RuleContext& context, Forward& out) {
  const auto add = [&](const v1::Destination& to, bool has_share, double percent) {
    const auto share = has_share ? to_share(percent) : kAlways;
    if (share.millionths == 0 || !is_port_or_none(to.port().number())) return;
    out.mirrors.push_back(
        {upstream_of(to, context), static_cast<std::uint16_t>(to.port().number()), share});
  };
  if (from.has_mirror()) {
    const bool older = !from.has_mirror_percentage() && from.has_mirror_percent();
    add(from.mirror(), older || from.has_mirror_percentage(),
        older ? from.mirror_percent().value() : from.mirror_percentage().value());
  }
  for (const auto& one : from.mirrors()) {
    add(one.destination(), one.has_percentage(), one.percentage().value());
  }
}

bool compile_forward(const v1::HTTPRoute& from, RuleContext& context, Forward& out) {
  if (!compile_destinations(from, context, out)) return false;
  const auto& rewrite = from.rewrite();
  if (!rewrite.uri().empty()) {
    out.rewrite = Rewrite{rewrite.uri(), nullptr, {}};
  } else if (rewrite.has_uri_regex_rewrite()) {
    auto regex = context.regexes.get(rewrite.uri_regex_rewrite().match());
    const auto& substitution = rewrite.uri_regex_rewrite().rewrite();
    if (!regex || !regex->check_rewrite(substitution).empty()) return false;
    out.rewrite = Rewrite{std::nullopt, std::move(regex), substitution};
  }
  out.timeout = to_ms(from.timeout());
  out.retry = compile_retries(from);
  compile_fault(from.fault(), out);
  compile_mirrors(from, context, out);
  return true;
}

Redirect compile_redirect(const v1::HTTPRoute& from) {
  const auto& redirect = from.redirect();
  Redirect out;
  if (redirect.redirect_code() >= 300 && redirect.redirect_code() <= 399) {
    out.status = static_cast<std::uint16_t>(redirect.redirect_code());
  }
  out.uri = redirect.uri();
  out.prefix_rewrite = redirect.prefix_rewrite();
  out.authority = redirect.authority();
  out.scheme = redirect.scheme();
  if (redirect.has_port()) {
    out.port_choice = Redirect::Port::kNumber;
    out.port = static_cast<std::uint16_t>(redirect.port());
  } else if (redirect.has_derive_port()) {
    out.port_choice = redirect.derive_port() == v1::HTTPRedirect::FROM_REQUEST_PORT
                          ? Redirect::Port::kOfRequest
                          : Redirect::Port::kOfProtocol;
  }
  append_operations({&from.headers().response()}, out.response_headers, nullptr);
  return out;
}

DirectResponse compile_direct(const v1::HTTPRoute& from) {
  const auto& direct = from.direct_response();
  DirectResponse out;
  out.status = static_cast<std::uint16_t>(direct.status());
  out.body = direct.body().has_bytes() ? direct.body().bytes() : direct.body().string();
  append_operations({&from.headers().response()}, out.response_headers, nullptr);
  return out;
}

std::string join(const google::protobuf::RepeatedPtrField<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out.append(out.empty() ? "" : ",").append(part);
  return out;
}

std::optional<CorsPolicy> compile_cors(const v1::CorsPolicy& from, RegexCache& regexes) {
  CorsPolicy out;
  for (const auto& origin : from.allow_origins()) {
    auto match = compile_text(origin, regexes);
    if (!match) return std::nullopt;
    out.allow_origins.push_back(std::move(*match));
  }
  out.allow_methods = join(from.allow_methods());
  out.allow_headers = join(from.allow_headers());
  out.expose_headers = join(from.expose_headers());
  if (from.has_max_age()) out.max_age = std::to_string(from.max_age().seconds());
  out.allow_credentials = from.allow_credentials().value();
  out.forward_unmatched_preflights = from.unmatched_preflights() != v1::CorsPolicy::IGNORE;
  return out;
}

}  // namespace

std::shared_ptr<const Rule> compile_rule(const v1::HTTPRoute& from, std::size_t index,
                                         RuleContext& context) {
  auto rule = std::make_shared<Rule>();
  rule->name = from.name();
  rule->virtual_service = context.ns + "/" + context.name;
  rule->index = index;
  for (const auto& one : from.match()) {
    auto match = compile_match(one, context);
    if (!match) return nullptr;
    rule->route_names.push_back(match->name.empty() ? rule->name : rule->name + "." + match->name);
    rule->matches.push_back(std::move(*match));
  }
  if (rule->matches.empty()) rule->route_names.push_back(rule->name);
  if (from.has_cors_policy()) {
    rule->cors = compile_cors(from.cors_policy(), context.regexes);
    if (!rule->cors) return nullptr;
  }
  if (from.has_redirect()) {
    rule->action = compile_redirect(from);
  } else if (from.has_direct_response()) {
    if (!is_status(from.direct_response().status())) return nullptr;
    rule->action = compile_direct(from);
  } else if (Forward forward; compile_forward(from, context, forward)) {
    rule->action = std::move(forward);
  } else {
    return nullptr;
  }
  return rule;
}

}  // namespace culvert::l7
