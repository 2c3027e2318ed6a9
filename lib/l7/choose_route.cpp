#include "culvert/l7/choose_route.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "culvert/l7/choose_service.hpp"
#include "match_index.hpp"

namespace culvert::l7 {
namespace {

using Entry = HostRoutes::Entry;

constexpr std::string_view kDefaultRoute = "default";

const Forward& plain_forward() {
  static const auto plain = [] {
    Forward forward;
    forward.retry = default_retry_policy();
    return forward;
  }();
  return plain;
}

/// One request's way through the rules of a host.
class Search {
 public:
  Search(const HostRoutes& host, const RequestView& request, const ClientView& client,
         const TargetView& target, Explanation* explanation)
      : host_(host),
        request_(request),
        client_(client),
        target_(target),
        explanation_(explanation) {}

  const Entry* first_match() {
    if (explanation_) {
      for (const auto& entry : host_.entries) {
        if (holds(entry)) return &entry;
      }
      return nullptr;
    }
    std::string storage;
    auto candidates = host_.index->find(request_, storage);
    for (auto at = candidates.next(); at != Candidates::kEnd; at = candidates.next()) {
      if (holds(host_.entries[at])) return &host_.entries[at];
    }
    return nullptr;
  }

 private:
  bool holds(const Entry& entry) {
    const bool seen = (host_.seen_by_all && target_.rules_of == nullptr) ||
                      counts_for(host_.contributions[entry.contribution], target_, client_.ns);
    const auto why = seen && entry.match ? entry.match->mismatch(request_, client_, target_.port)
                                         : std::optional<Mismatch>();
    if (explanation_) tell(entry, seen, why);
    return seen && !why;
  }

  void tell(const Entry& entry, bool seen, const std::optional<Mismatch>& why) {
    std::string text = entry.match ? "all that it demands holds" : "it takes every request";
    if (!seen) {
      text = "it is not exported to the client's namespace";
    } else if (why) {
      text = describe(*why, *entry.match, request_, client_, target_.port);
    }
    explanation_->steps.push_back({entry.route_name(), entry.rule->virtual_service,
                                   entry.rule->index, seen && !why, std::move(text)});
  }

  const HostRoutes& host_;
  const RequestView& request_;
  const ClientView& client_;
  const TargetView& target_;
  Explanation* explanation_;
};

const Destination& draw(const std::vector<Destination>& destinations, Random& random) {
  if (destinations.size() == 1) return destinations[0];
  const auto drawn = random.below(destinations.back().weights_to_here);
  return *std::ranges::upper_bound(destinations, drawn, {}, &Destination::weights_to_here);
}

Decision::Kind kind_of(const Cluster* cluster, const Upstream& upstream) {
  if (cluster) return Decision::Kind::kForward;
  return upstream.problem == Upstream::Problem::kRefused ? Decision::Kind::kRefused
                                                         : Decision::Kind::kNoCluster;
}

void forward_by(Decision& decision, const Forward& forward, std::uint16_t port, Random& random) {
  decision.forward = &forward;
  decision.destination = &draw(forward.destinations, random);
  const auto& to = *decision.destination;
  decision.cluster = to.upstream->find(to.port, port);
  decision.kind = kind_of(decision.cluster, *to.upstream);
  if (forward.delay && forward.delay->share.draw(random)) {
    decision.fault.delay = forward.delay->delay;
  }
  if (forward.abort && forward.abort->share.draw(random)) {
    decision.fault.abort = forward.abort->error;
  }
  for (const auto& mirror : forward.mirrors) {
    if (!mirror.share.draw(random)) continue;
    const auto* cluster = mirror.upstream->find(mirror.port, port);
    if (cluster) decision.mirrors.push_back({cluster, &mirror});
  }
}

bool all_refused(const HostRoutes& host, const TargetView& target, std::string_view ns) {
  return std::ranges::all_of(host.contributions, [&](const Contribution& one) {
    return one.refused || !counts_for(one, target, ns);
  });
}

}  // namespace

Decision choose_service(const RouteTable& table, const TargetView& target) {
  Decision decision;
  decision.kind = Decision::Kind::kNoHost;
  std::string storage;
  const auto host = plain_host(target.host, storage);
  auto found = table.services->find(host);
  if (target.gateway != kMesh || found == table.services->end()) return decision;
  if (!target.service_ns.empty() && found->second->ns != target.service_ns) {
    const auto own = table.services->find(fmt::format("{}/{}", target.service_ns, host));
    if (own != table.services->end()) found = own;
  }
  decision.route_name = kDefaultRoute;
  decision.forward = &plain_forward();
  // A client that asks a service for one of its ports gets that one, however many there are.
  decision.cluster = found->second->find(target.port, target.port);
  decision.kind = kind_of(decision.cluster, *found->second);
  return decision;
}

Decision choose_route(const RouteTable& table, const TargetView& target, const RequestView& request,
                      const ClientView& client, Random& random, Explanation* explanation) {
  const auto* host = find_host(table, target, client.ns);
  if (!host) return choose_service(table, target);
  Decision decision;
  decision.host = host;
  const auto* entry = Search(*host, request, client, target, explanation).first_match();
  if (!entry) {
    decision.kind =
        all_refused(*host, target, client.ns) ? Decision::Kind::kRefused : Decision::Kind::kNoRoute;
    return decision;
  }
  decision.rule = entry->rule;
  decision.match = entry->match;
  decision.route_name = entry->route_name();
  if (const auto* forward = std::get_if<Forward>(&entry->rule->action)) {
    forward_by(decision, *forward, target.port, random);
  } else {
    decision.kind = std::holds_alternative<Redirect>(entry->rule->action)
                        ? Decision::Kind::kRedirect
                        : Decision::Kind::kDirectResponse;
  }
  return decision;
}

const RetryPolicy* retry_policy(const Decision& decision) {
  return decision.forward && decision.forward->retry ? &*decision.forward->retry : nullptr;
}

namespace {

std::string not_text(std::string_view what, std::string_view value, const TextMatch& wanted) {
  return fmt::format("{} \"{}\" is not {}", what, value, wanted.to_string());
}

std::string not_named(std::string_view what, std::string_view name,
                      const std::vector<NamedMatch>& all, std::optional<std::string_view> value) {
  const auto wanted = std::ranges::find(all, name, &NamedMatch::name);
  if (!value) return fmt::format("{} {} is not there", what, name);
  return not_text(fmt::format("{} {}", what, name), *value, wanted->match);
}

}  // namespace

std::string describe(const Mismatch& mismatch, const RequestMatch& match,
                     const RequestView& request, const ClientView& client,
                     std::uint16_t arrived_at) {
  using enum Mismatch::Field;
  std::string storage;
  switch (mismatch.field) {
    case kUri:
      return not_text("the path", request.path_without_query(), *match.uri);
    case kScheme:
      return not_text("the scheme", request.scheme, *match.scheme);
    case kMethod:
      return not_text("the method", request.method, *match.method);
    case kAuthority:
      return not_text("the authority", request.authority, *match.authority);
    case kHeader:
      return not_named("header", mismatch.name, match.headers,
                       request.header(mismatch.name, storage));
    case kQueryParam:
      return not_named("query parameter", mismatch.name, match.query_params,
                       query_param(request.path, mismatch.name));
    case kWithoutHeader:
      return fmt::format("header {} is one that it must be without", mismatch.name);
    case kPort:
      return fmt::format("port {} is not {}", arrived_at, match.port);
    case kSourceLabel:
      return fmt::format("the client's label {} is another", mismatch.name);
    case kSourceNamespace:
      return fmt::format("the client's namespace \"{}\" is not \"{}\"", client.ns,
                         match.source_namespace);
  }
  return {};
}

}  // namespace culvert::l7
