#include "culvert/route_words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace culvert::cli {
namespace {

double seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::string destination_words(const l7::Destination& to) {
  std::string out = to.upstream->host;
  if (to.port != 0) out += fmt::format(":{}", to.port);
  if (!to.upstream->subset.empty()) out += " " + to.upstream->subset;
  switch (to.upstream->problem) {
    case l7::Upstream::Problem::kNone:
      break;
    case l7::Upstream::Problem::kUnknownHost:
      out += " (no such service)";
      break;
    case l7::Upstream::Problem::kUnknownSubset:
      out += " (no such subset)";
      break;
    case l7::Upstream::Problem::kRefused:
      out += " (its DestinationRule is not valid)";
      break;
  }
  return out;
}

/// Weights as they were written, up to a common factor.
std::vector<std::uint64_t> weights_of(const l7::Forward& forward) {
  std::vector<std::uint64_t> out;
  std::uint64_t before = 0;
  for (const auto& to : forward.destinations) {
    out.push_back(to.weights_to_here - before);
    before = to.weights_to_here;
  }
  return out;
}

std::string words_of(const l7::Forward& forward) {
  std::vector<std::string> parts;
  const auto weights = weights_of(forward);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    auto text = destination_words(forward.destinations[i]);
    if (weights.size() > 1) text += fmt::format(" weight {}", weights[i]);
    parts.push_back(std::move(text));
  }
  auto out = fmt::format("{}", fmt::join(parts, ", "));
  if (forward.rewrite) out += "; rewrite";
  if (forward.timeout.count() > 0) out += fmt::format("; timeout {} s", seconds(forward.timeout));
  out += forward.retry ? fmt::format("; retries {}", forward.retry->attempts) : "; no retries";
  if (forward.delay) out += fmt::format("; delay {} s", seconds(forward.delay->delay));
  if (forward.abort) out += "; abort";
  for (const auto& mirror : forward.mirrors) {
    out += "; mirror to " + mirror.upstream->host;
    if (!mirror.upstream->subset.empty()) out += " " + mirror.upstream->subset;
  }
  return out;
}

std::string words_of(const l7::Redirect& redirect) {
  return fmt::format("redirect {} to {}{}", redirect.status,
                     redirect.authority.empty() ? "the same host" : redirect.authority,
                     redirect.uri + redirect.prefix_rewrite);
}

std::string words_of(const l7::DirectResponse& response) {
  return fmt::format("answer {} with {} bytes", response.status, response.body.size());
}

Json rule_json(const l7::HostRoutes::Entry& entry) {
  Json out = {
      {"route", entry.route_name()},         {"virtual_service", entry.rule->virtual_service},
      {"rule", entry.rule->index},           {"match", match_words(entry.match)},
      {"action", action_words(*entry.rule)}, {"destinations", Json::array()}};
  const auto* forward = std::get_if<l7::Forward>(&entry.rule->action);
  if (forward == nullptr) return out;
  const auto weights = weights_of(*forward);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto& to = forward->destinations[i];
    out["destinations"].push_back(
        {{"host", to.upstream->host},
         {"subset", to.upstream->subset},
         {"port", to.port},
         {"weight", weights[i]},
         {"known", to.upstream->problem == l7::Upstream::Problem::kNone}});
  }
  return out;
}

}  // namespace

std::string match_words(const l7::RequestMatch* match) {
  if (match == nullptr) return "every request";
  std::vector<std::string> parts;
  const auto text = [&](const char* what, const std::optional<l7::TextMatch>& one) {
    if (one) parts.push_back(fmt::format("{} {}", what, one->to_string()));
  };
  const auto named = [&](const char* what, const std::vector<l7::NamedMatch>& all) {
    for (const auto& one : all)
      parts.push_back(fmt::format("{} {} {}", what, one.name, one.match.to_string()));
  };
  text("uri", match->uri);
  text("scheme", match->scheme);
  text("method", match->method);
  text("authority", match->authority);
  named("header", match->headers);
  named("without header", match->without_headers);
  named("query", match->query_params);
  if (match->port != 0) parts.push_back(fmt::format("port {}", match->port));
  for (const auto& [key, value] : match->source_labels)
    parts.push_back(fmt::format("client's label {}={}", key, value));
  if (!match->source_namespace.empty())
    parts.push_back("client's namespace " + match->source_namespace);
  return parts.empty() ? "every request" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string action_words(const l7::Rule& rule) {
  return std::visit([](const auto& action) { return words_of(action); }, rule.action);
}

std::vector<l7::HostRoutesPtr> hosts_of(const l7::GatewayRoutes& gateway) {
  std::vector<l7::HostRoutesPtr> out;
  for (const auto& [name, host] : gateway.exact) out.push_back(host);
  std::ranges::sort(out, {}, [](const auto& host) { return host->host; });
  for (const auto& [suffix, host] : gateway.suffixes) out.push_back(host);
  if (gateway.any) out.push_back(gateway.any);
  return out;
}

Json host_json(const std::string& gateway, const l7::HostRoutes& host) {
  Json out = {{"gateway", gateway},
              {"host", host.host},
              {"rules", Json::array()},
              {"objects", Json::array()}};
  for (const auto& entry : host.entries) out["rules"].push_back(rule_json(entry));
  for (const auto& one : host.contributions)
    out["objects"].push_back({{"virtual_service", one.virtual_service},
                              {"refused", one.refused},
                              {"matches", one.matches},
                              {"unreachable", one.unreachable}});
  return out;
}

}  // namespace culvert::cli
