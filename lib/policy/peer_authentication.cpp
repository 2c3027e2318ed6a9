// Mutual TLS modes: inheritance and their conversion into DENY policies.
#include "peer_authentication.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "authorization.pb.h"
#include "istio_objects.pb.h"

namespace culvert::policy {
namespace {

namespace v1 = ::istio::security::v1beta1;
namespace wire = ::istio::security;
using PbMode = v1::PeerAuthentication::MutualTLS;

MtlsMode to_mode(PbMode::Mode mode) {
  switch (mode) {
    case PbMode::DISABLE:
      return MtlsMode::kDisable;
    case PbMode::PERMISSIVE:
      return MtlsMode::kPermissive;
    case PbMode::STRICT:
      return MtlsMode::kStrict;
    default:
      return MtlsMode::kUnset;
  }
}

std::unique_ptr<wire::Authorization> deny_by_workload(const std::string& ns,
                                                      const std::string& name) {
  auto out = std::make_unique<wire::Authorization>();
  out->set_namespace_(ns);
  out->set_name(name);
  out->set_scope(wire::WORKLOAD_SELECTOR);
  out->set_action(wire::DENY);
  return out;
}

/// A clause that holds for a peer without a certificate.
wire::Match& add_no_certificate(wire::Rule& rule) {
  auto* match = rule.add_clauses()->add_matches();
  match->add_not_principals()->mutable_presence();
  return *match;
}

bool needs_own_policy(const Mtls& mtls) {
  const bool strict = mtls.mode == MtlsMode::kStrict;
  return std::ranges::any_of(
      mtls.ports, [&](const auto& port) { return (port.second == MtlsMode::kStrict) != strict; });
}

/// STRICT but for some ports: one rule without them. Otherwise a rule for each STRICT port.
std::unique_ptr<wire::Authorization> to_policy(const config::ObjectKey& key, const Mtls& mtls) {
  auto out = deny_by_workload(key.ns, kConvertedPrefix + key.name);
  if (mtls.mode == MtlsMode::kStrict) {
    auto& rule = *out->add_rules();
    add_no_certificate(rule);
    for (const auto& [port, mode] : mtls.ports) {
      if (mode == MtlsMode::kStrict) continue;
      rule.add_clauses()->add_matches()->add_not_destination_ports(port);
    }
    return out;
  }
  for (const auto& [port, mode] : mtls.ports) {
    if (mode != MtlsMode::kStrict) continue;
    add_no_certificate(*out->add_rules()).add_destination_ports(port);
  }
  return out;
}

}  // namespace

bool selects(const Labels& selector, const Labels& labels) {
  return std::ranges::all_of(selector, [&](const auto& wanted) {
    auto it = labels.find(wanted.first);
    return it != labels.end() && it->second == wanted.second;
  });
}

PeerAuthentications::PeerAuthentications(const config::ObjectMap& objects,
                                         std::string root_namespace)
    : root_namespace_(std::move(root_namespace)) {
  for (const auto& [key, object] : objects) {
    if (key.kind != "PeerAuthentication") continue;
    const auto& message = config::message_as<api::istio::PeerAuthentication>(*object);
    Entry entry;
    entry.key = key;
    entry.created_seconds = message.metadata().creation_timestamp().seconds();
    entry.created_nanos = message.metadata().creation_timestamp().nanos();
    entry.mode = to_mode(message.spec().mtls().mode());
    for (const auto& [port, mtls] : message.spec().port_level_mtls()) {
      const auto mode = to_mode(mtls.mode());
      if (mode != MtlsMode::kUnset) entry.ports[static_cast<std::uint16_t>(port)] = mode;
    }
    const auto& labels = message.spec().selector().match_labels();
    entry.selector = Labels(labels.begin(), labels.end());
    if (entry.selector.empty()) {
      whole_[key.ns].push_back(std::move(entry));
    } else if (key.ns == root_namespace_) {
      ignored_.push_back(key);
    } else {
      by_selector_.push_back(std::move(entry));
    }
  }
  const auto oldest_first = [](const Entry& a, const Entry& b) {
    return std::tie(a.created_seconds, a.created_nanos, a.key) <
           std::tie(b.created_seconds, b.created_nanos, b.key);
  };
  std::ranges::sort(by_selector_, oldest_first);
  for (auto& [ns, entries] : whole_) std::ranges::sort(entries, oldest_first);
}

const PeerAuthentications::Entry* PeerAuthentications::governing(const std::string& ns,
                                                                 const Labels& labels) const {
  for (const auto& entry : by_selector_) {
    if (entry.key.ns == ns && selects(entry.selector, labels)) return &entry;
  }
  return nullptr;
}

MtlsMode PeerAuthentications::inherited(const std::string& ns) const {
  for (const auto& level : {ns, root_namespace_}) {
    auto it = whole_.find(level);
    if (it != whole_.end() && it->second.front().mode != MtlsMode::kUnset) {
      return it->second.front().mode;
    }
  }
  return MtlsMode::kPermissive;
}

Mtls PeerAuthentications::resolve(const Entry* workload_level, const std::string& ns) const {
  Mtls out;
  out.mode = inherited(ns);
  if (!workload_level) return out;
  if (workload_level->mode != MtlsMode::kUnset) out.mode = workload_level->mode;
  for (const auto& [port, mode] : workload_level->ports) {
    if (mode != out.mode) out.ports[port] = mode;
  }
  return out;
}

Mtls PeerAuthentications::mtls_for(const std::string& ns, const Labels& labels) const {
  return resolve(governing(ns, labels), ns);
}

std::optional<std::string> PeerAuthentications::name_for(const std::string& ns,
                                                         const Labels& labels) const {
  const auto* entry = governing(ns, labels);
  const auto mtls = resolve(entry, ns);
  if (entry && needs_own_policy(mtls)) return ns + "/" + kConvertedPrefix + entry->key.name;
  if (mtls.mode == MtlsMode::kStrict) return root_namespace_ + "/" + kStaticStrict;
  return std::nullopt;
}

std::vector<Authorization> PeerAuthentications::authorizations() const {
  std::vector<Authorization> out;
  if (whole_.empty() && by_selector_.empty()) return out;
  auto strict = deny_by_workload(root_namespace_, kStaticStrict);
  add_no_certificate(*strict->add_rules());
  out.push_back({root_namespace_ + "/" + kStaticStrict, std::move(strict)});
  for (const auto& entry : by_selector_) {
    const auto mtls = resolve(&entry, entry.key.ns);
    if (!needs_own_policy(mtls)) continue;
    out.push_back(
        {entry.key.ns + "/" + kConvertedPrefix + entry.key.name, to_policy(entry.key, mtls)});
  }
  return out;
}

config::Conditions PeerAuthentications::conditions() const {
  config::Conditions out;
  const auto accepted = [&](const Entry& entry) {
    out.push_back({entry.key, "ZtunnelAccepted", true, "Accepted", ""});
  };
  for (const auto& [ns, entries] : whole_) {
    accepted(entries.front());
    for (std::size_t i = 1; i < entries.size(); ++i) {
      out.push_back({entries[i].key, "ZtunnelAccepted", false, "Conflicted",
                     fmt::format("{} is older and governs the same workloads",
                                 entries.front().key.to_string())});
    }
  }
  for (const auto& entry : by_selector_) accepted(entry);
  for (const auto& key : ignored_) {
    out.push_back({key, "ZtunnelAccepted", false, "SelectorInRootNamespace",
                   "spec.selector: has no effect in the root namespace"});
  }
  return out;
}

}  // namespace culvert::policy
