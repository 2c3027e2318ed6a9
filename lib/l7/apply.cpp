#include "culvert/l7/apply.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::l7 {
namespace {

/// How much of the path the match was of.
std::size_t matched_bytes(const RequestMatch* match, std::string_view path_alone) {
  if (!match || !match->uri) return std::min<std::size_t>(1, path_alone.size());
  return match->uri->kind == TextMatch::Kind::kPrefix ? match->uri->text.size() : path_alone.size();
}

std::size_t port_start(std::string_view authority) {
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos) return colon;
  const auto bracket = authority.rfind(']');
  const bool inside =
      bracket != std::string_view::npos ? bracket > colon : authority.find(':') != colon;
  return inside ? std::string_view::npos : colon;
}

std::uint16_t default_port(std::string_view scheme) {
  return scheme == "https" ? 443 : 80;
}

/// The host that a redirect names, with its port.
std::string redirect_authority(const Redirect& redirect, const RequestView& request,
                               const TargetView& target, std::string_view scheme) {
  using Port = Redirect::Port;
  std::string_view host = redirect.authority.empty() ? request.authority : redirect.authority;
  const auto at = port_start(host);
  const auto written = at == std::string_view::npos ? std::string_view() : host.substr(at + 1);
  if (!redirect.port_choice) {
    // A port that was only the old scheme's own does not go along to a new scheme.
    const bool old_default = redirect.authority.empty() && scheme != request.scheme &&
                             written == std::to_string(default_port(request.scheme));
    return std::string(old_default ? host.substr(0, at) : host);
  }
  const auto port = *redirect.port_choice == Port::kNumber      ? redirect.port
                    : *redirect.port_choice == Port::kOfRequest ? target.port
                                                                : default_port(scheme);
  const auto name = host.substr(0, at);
  return port == default_port(scheme) ? std::string(name) : fmt::format("{}:{}", name, port);
}

std::string redirect_path(const Redirect& redirect, const RequestMatch* match,
                          std::string_view path) {
  const auto alone = path.substr(0, path.find_first_of("?#"));
  const auto query = path.substr(alone.size());
  if (!redirect.uri.empty()) {
    return redirect.uri.contains('?') ? redirect.uri : redirect.uri + std::string(query);
  }
  if (redirect.prefix_rewrite.empty()) return std::string(path);
  return redirect.prefix_rewrite + std::string(path.substr(matched_bytes(match, alone)));
}

void set(std::vector<Header>& headers, std::string name, std::string value) {
  if (!value.empty()) headers.push_back({std::move(name), std::move(value)});
}

/// What a preflight is told is allowed. A list that is exactly * allows what is asked for, said in
/// its own words: with credentials a browser takes * for a name (Fetch, 3.2.5).
void set_allowed(std::vector<Header>& headers, std::string name, const std::string& policy,
                 std::optional<std::string_view> asked) {
  set(headers, std::move(name), policy == "*" ? std::string(asked.value_or("")) : policy);
}

}  // namespace

std::optional<std::string> rewritten_path(const Decision& decision, std::string_view path) {
  if (!decision.forward || !decision.forward->rewrite) return std::nullopt;
  const auto& rewrite = *decision.forward->rewrite;
  const auto alone = path.substr(0, path.find_first_of("?#"));
  if (rewrite.uri) {
    return *rewrite.uri + std::string(path.substr(matched_bytes(decision.match, alone)));
  }
  if (!rewrite.regex) return std::nullopt;
  return rewrite.regex->replace_all(alone, rewrite.substitution) +
         std::string(path.substr(alone.size()));
}

std::optional<std::string_view> rewritten_authority(const Decision& decision) {
  if (!decision.destination || decision.destination->authority.empty()) return std::nullopt;
  return decision.destination->authority;
}

std::string shadow_authority(std::string_view authority) {
  const auto at = std::min(port_start(authority), authority.size());
  return fmt::format("{}-shadow{}", authority.substr(0, at), authority.substr(at));
}

std::string redirect_location(const Decision& decision, const RequestView& request,
                              const TargetView& target) {
  const auto& redirect = std::get<Redirect>(decision.rule->action);
  const std::string_view scheme = redirect.scheme.empty() ? request.scheme : redirect.scheme;
  return fmt::format("{}://{}{}", scheme, redirect_authority(redirect, request, target, scheme),
                     redirect_path(redirect, decision.match, request.path));
}

void apply(const HeaderOperations& operations, const ExchangeView& exchange,
           std::vector<Header>& headers) {
  using Kind = HeaderOperation::Kind;
  for (const auto& operation : operations) {
    auto value = operation.value.format(exchange);
    if (operation.kind != Kind::kRemove && value.empty()) continue;
    if (operation.kind != Kind::kAdd) {
      std::erase_if(headers, [&](const Header& h) { return h.name == operation.name; });
    }
    if (operation.kind != Kind::kRemove) headers.push_back({operation.name, std::move(value)});
  }
}

const HeaderOperations* response_operations(const Decision& decision) {
  if (decision.destination) return &decision.destination->response_headers;
  if (!decision.rule) return nullptr;
  if (const auto* to = std::get_if<Redirect>(&decision.rule->action)) return &to->response_headers;
  const auto* direct = std::get_if<DirectResponse>(&decision.rule->action);
  return direct ? &direct->response_headers : nullptr;
}

CorsResult cors(const CorsPolicy& policy, const RequestView& request) {
  CorsResult result;
  std::string storage;
  const auto origin = request.header("origin", storage);
  if (!origin || origin->empty()) return result;
  std::string other;
  const auto asked = request.header("access-control-request-method", other);
  const bool preflight = request.method == "OPTIONS" && asked && !asked->empty();
  // {exact: "*"} is how many write that any origin is allowed.
  const bool allowed = std::ranges::any_of(policy.allow_origins, [&](const TextMatch& match) {
    return match.matches(*origin) || match.matches("*");
  });
  if (!allowed) {
    result.answer = preflight && !policy.forward_unmatched_preflights;
    return result;
  }
  set(result.headers, "access-control-allow-origin", std::string(*origin));
  if (policy.allow_credentials) set(result.headers, "access-control-allow-credentials", "true");
  set(result.headers, "access-control-expose-headers", policy.expose_headers);
  if (!preflight) return result;
  result.answer = true;
  set_allowed(result.headers, "access-control-allow-methods", policy.allow_methods, asked);
  std::string last;
  set_allowed(result.headers, "access-control-allow-headers", policy.allow_headers,
              request.header("access-control-request-headers", last));
  set(result.headers, "access-control-max-age", policy.max_age);
  return result;
}

}  // namespace culvert::l7
