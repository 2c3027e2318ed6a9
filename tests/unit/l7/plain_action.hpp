// What the rule that a request meets says, read plainly, against what the compiled one will do.
#pragma once

#include "plain_mesh.hpp"

namespace culvert::l7::test {

/// Empty, or what of the destinations is not as written.
inline std::string destinations_differ(const Decision& decision, const PlainAnswer& answer) {
  std::size_t at = 0;
  std::uint64_t total = 0;
  const auto& all = decision.forward->destinations;
  const auto& routes = answer.rule->route();
  for (const auto& route : routes) {
    if (routes.size() > 1 && route.weight() == 0) continue;
    if (at == all.size()) return "a destination is missing";
    const auto& compiled = all[at++];
    total += routes.size() == 1 ? 1 : static_cast<std::uint64_t>(route.weight());
    if (compiled.upstream->host != full_name(route.destination().host(), answer.object->ns) ||
        compiled.upstream->subset != route.destination().subset()) {
      return "a destination is another";
    }
    if (compiled.port != route.destination().port().number()) return "a port is another";
    if (compiled.weights_to_here != total) return "a weight is another";
    if (compiled.authority != answer.rule->rewrite().authority()) return "an authority is another";
  }
  return at == all.size() ? "" : "there is a destination too many";
}

inline std::string forward_differs(const PlainMesh& mesh, const Ask& ask, const Decision& decision,
                                   const PlainAnswer& answer) {
  if (decision.forward == nullptr) return "it is not forwarded";
  if (auto what = destinations_differ(decision, answer); !what.empty()) return what;
  const auto& all = decision.forward->destinations;
  if (decision.destination < all.data() || decision.destination >= all.data() + all.size()) {
    return "the chosen destination is none of the rule's";
  }
  const auto& to = *decision.destination;
  std::uint16_t port = 0;
  const auto kind = mesh.lead(to.upstream->host, to.upstream->subset, to.port, ask, &port);
  if (decision.kind != kind) return "there is a cluster where there is none, or none where one is";
  if ((decision.cluster != nullptr) != (kind == Decision::Kind::kForward)) return "a cluster's end";
  if (decision.cluster &&
      (decision.cluster->host != to.upstream->host || decision.cluster->port != port ||
       decision.cluster->subset != to.upstream->subset)) {
    return "the cluster is another";
  }
  const auto& rewrite = decision.forward->rewrite;
  if ((rewrite ? rewrite->uri.value_or("") : "") != answer.rule->rewrite().uri()) {
    return "the path's rewrite is another";
  }
  const bool timed = decision.forward->timeout.count() == answer.rule->timeout().seconds() * 1000;
  return timed ? "" : "the timeout is another";
}

inline std::string redirect_differs(const Decision& decision, const v1::HTTPRedirect& redirect) {
  const auto* compiled = std::get_if<Redirect>(&decision.rule->action);
  if (decision.kind != Decision::Kind::kRedirect || !compiled) return "it is not redirected";
  const auto status = redirect.redirect_code() == 0 ? 301 : redirect.redirect_code();
  const bool same = compiled->uri == redirect.uri() && compiled->status == status &&
                    compiled->authority == redirect.authority();
  return same ? "" : "the redirect is another";
}

/// Empty, or what is not as the objects say.
inline std::string action_differs(const PlainMesh& mesh, const Ask& ask, const Decision& decision) {
  const auto answer = mesh.answer(ask);
  if (decision.route_name != answer.route_name) return "the rule is another";
  if (answer.rule == nullptr) {
    if (decision.kind != answer.kind) return "what is without a rule ends otherwise";
    const bool leads = decision.kind == Decision::Kind::kForward;
    if ((decision.cluster != nullptr) != leads) return "a service without rules has no cluster";
    return !leads || decision.cluster->port == ask.port ? "" : "the service's port is another";
  }
  if (decision.rule == nullptr) return "there is no rule";
  const auto& wanted = *answer.rule;
  if (decision.rule->virtual_service != answer.object->ns + "/" + answer.object->name) {
    return "the object is another";
  }
  if (wanted.has_redirect()) return redirect_differs(decision, wanted.redirect());
  if (!wanted.has_direct_response()) return forward_differs(mesh, ask, decision, answer);
  const auto* direct = std::get_if<DirectResponse>(&decision.rule->action);
  return decision.kind == Decision::Kind::kDirectResponse && direct &&
                 direct->status == wanted.direct_response().status()
             ? ""
             : "the direct response is another";
}

}  // namespace culvert::l7::test
