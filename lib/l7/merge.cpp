// Several VirtualServices on one host: which rules, in which order (docs/decisions/0091-routes.md).
#include <algorithm>
#include <tuple>

#include "compile_rule.hpp"
#include "compiler_state.hpp"
#include "match_index.hpp"
#include "virtual_service.pb.h"

namespace culvert::l7 {
namespace {

using Entry = HostRoutes::Entry;

bool applies_at(const RequestMatch& match, const std::string& gateway) {
  return match.gateways.empty() ||
         std::ranges::find(match.gateways, gateway) != match.gateways.end();
}

void append_entries(const std::vector<std::shared_ptr<const Rule>>& rules,
                    const std::string& gateway, HostRoutes& out) {
  const auto contribution = static_cast<std::uint32_t>(out.contributions.size());
  for (const auto& rule : rules) {
    if (rule->matches.empty()) out.entries.push_back({nullptr, rule.get(), 0, contribution});
    for (std::size_t i = 0; i < rule->matches.size(); ++i) {
      const auto& match = rule->matches[i];
      if (applies_at(match, gateway)) {
        out.entries.push_back({&match, rule.get(), i, contribution});
      }
    }
    out.rules.push_back(rule);
  }
}

bool is_catch_all(const Entry& entry) {
  return !entry.match || entry.match->matches_any_request();
}

void put_catch_alls_last(std::vector<Entry>& entries) {
  std::vector<Entry> ordered;
  for (const bool wanted : {false, true}) {
    for (const auto& entry : entries) {
      if (is_catch_all(entry) == wanted) ordered.push_back(entry);
    }
  }
  entries = std::move(ordered);
}

/// Counts what each gives, and what of it stands behind an entry that takes every request.
void count(HostRoutes& out) {
  const Contribution* wall = nullptr;
  for (const auto& entry : out.entries) {
    auto& own = out.contributions[entry.contribution];
    ++own.matches;
    if (wall) {
      ++own.unreachable;
      own.hidden_behind = wall->virtual_service;
    } else if ((!entry.match || entry.match->matches_all()) && own.visibility.all) {
      wall = &own;
    }
  }
}

}  // namespace

void Compiler::State::read_places(const std::string& domain) {
  const auto& spec = *object.spec;
  visibility = {};
  visibility.all = spec.export_to().empty();
  for (const auto& to : spec.export_to()) {
    if (to == "*") visibility.all = true;
    if (to == "~") continue;
    visibility.namespaces.push_back(to == "." ? object.ns : to);
  }
  std::set<std::string> gateways;
  for (const auto& gateway : spec.gateways()) gateways.insert(full_gateway(gateway, object.ns));
  if (gateways.empty()) gateways.insert(std::string(kMesh));
  hosts.clear();
  for (const auto& host : spec.hosts()) {
    for (const auto& gateway : gateways) {
      hosts.emplace(gateway, full_host(host, object.ns, domain));
    }
  }
}

HostRoutesPtr Compiler::merge(const HostAt& at) const {
  const auto found = members_.find(at);
  if (found == members_.end()) return nullptr;
  std::vector<const State*> states;
  for (const auto& name : found->second) states.push_back(virtual_services_.at(name).get());
  std::ranges::sort(states, {}, [](const State* state) {
    return std::tie(state->object.created, state->object.name, state->object.ns);
  });
  auto out = std::make_shared<HostRoutes>();
  out->host = at.second;
  std::size_t valid = 0;
  for (const auto* state : states) {
    append_entries(state->rules, at.first, *out);
    Contribution contribution;
    contribution.virtual_service = state->object.ns + "/" + state->object.name;
    contribution.visibility = state->visibility;
    contribution.refused = !state->valid;
    valid += state->valid;
    out->seen_by_all = out->seen_by_all && state->visibility.all;
    out->contributions.push_back(std::move(contribution));
  }
  // Where rules of several meet, those that take any request stand behind all others, as Istio
  // documents; within one VirtualService the order is the author's.
  if (valid > 1) put_catch_alls_last(out->entries);
  count(*out);
  out->index = std::make_unique<MatchIndex>();
  for (std::size_t i = 0; i < out->entries.size(); ++i) {
    out->index->add(static_cast<std::uint32_t>(i), out->entries[i].match);
  }
  out->index->finish();
  return out;
}

}  // namespace culvert::l7
