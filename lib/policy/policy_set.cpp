// All policies of a mesh together.
#include "culvert/policy/policy_set.hpp"

#include <algorithm>

#include "authorization.pb.h"
#include "authorization_policy.hpp"
#include "istio_objects.pb.h"
#include "peer_authentication.hpp"

namespace culvert::policy {

struct PolicySet::Index {
  struct Selected {
    std::string name;
    std::string ns;
    Labels selector;
  };
  std::string root_namespace;
  PeerAuthentications peers;
  std::vector<Selected> selected;
};

namespace {

config::Condition to_condition(const config::ObjectKey& key, const ConvertedPolicy& converted) {
  return {key, "ZtunnelAccepted", converted.as_written,
          converted.reason.empty() ? "Accepted" : converted.reason, converted.message_text};
}

}  // namespace

PolicySet::PolicySet(const config::ObjectMap& objects, const std::string& root_namespace) {
  auto index = std::make_unique<Index>(
      Index{root_namespace, PeerAuthentications(objects, root_namespace), {}});
  authorizations_ = index->peers.authorizations();
  conditions_ = index->peers.conditions();
  for (const auto& [key, object] : objects) {
    if (key.kind != "AuthorizationPolicy") continue;
    const auto& policy = config::message_as<api::istio::AuthorizationPolicy>(*object);
    auto converted = convert(policy, key.ns, key.name, root_namespace);
    conditions_.push_back(to_condition(key, converted));
    if (!converted.message) continue;
    const auto name = key.ns + "/" + key.name;
    if (converted.message->scope() == istio::security::WORKLOAD_SELECTOR) {
      const auto& labels = policy.spec().selector().match_labels();
      index->selected.push_back({name, key.ns, Labels(labels.begin(), labels.end())});
    }
    authorizations_.push_back({name, std::move(converted.message)});
  }
  std::ranges::sort(authorizations_, {}, &Authorization::name);
  index_ = std::move(index);
}

PolicySet::PolicySet(PolicySet&&) noexcept = default;
PolicySet::~PolicySet() = default;

std::vector<std::string> PolicySet::names_for(const std::string& ns, const Labels& labels) const {
  std::vector<std::string> names;
  for (const auto& policy : index_->selected) {
    const bool reaches = policy.ns == ns || policy.ns == index_->root_namespace;
    if (reaches && selects(policy.selector, labels)) names.push_back(policy.name);
  }
  if (auto converted = index_->peers.name_for(ns, labels)) names.push_back(std::move(*converted));
  std::ranges::sort(names);
  return names;
}

Mtls PolicySet::mtls_for(const std::string& ns, const Labels& labels) const {
  return index_->peers.mtls_for(ns, labels);
}

}  // namespace culvert::policy
