#include "waypoint/control/view_feed.hpp"

#include <algorithm>

#include "culvert/base/log.hpp"
#include "culvert/l7/wire_object.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::waypoint {
namespace {

using AddedList = std::vector<xds::AddedResource>;
using RejectedList = std::vector<xds::Rejected>;

void reject(RejectedList& out, const std::string& name, const Error& error) {
  log::warn("resource {}: {}", name, error.to_string());
  out.push_back({name, error.to_string()});
}

// "NAMESPACE/NAME"; the name is empty when there is no slash.
std::pair<std::string_view, std::string_view> split(std::string_view name) {
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return {name, {}};
  return {name.substr(0, slash), name.substr(slash + 1)};
}

}  // namespace

ViewFeed::ViewFeed(std::string trust_domain, std::string edge_pod, l7::CompilerSettings settings,
                   Publish publish)
    : mesh_(std::move(trust_domain), [](const mesh::SnapshotPtr&) {}),
      edge_pod_(std::move(edge_pod)),
      own_namespace_(settings.own_namespace),
      compiler_(std::move(settings)),
      publish_(std::move(publish)) {}

void ViewFeed::open() {
  if (open_) return;
  open_ = true;
  publish_(view_);
}

RejectedList ViewFeed::apply(std::string_view type_url, AddedList added,
                             std::vector<std::string> removed) {
  RejectedList rejected;
  if (type_url == l7::kVirtualServiceType) {
    rejected = take_virtual_services(std::move(added), removed);
  } else if (type_url == l7::kDestinationRuleType) {
    rejected = take_destination_rules(std::move(added), removed);
  } else if (type_url == l7::kGatewayType) {
    rejected = take_gateways(std::move(added), removed);
  } else if (type_url == xds::kLabelsType) {
    rejected = take_labels(std::move(added), removed);
  } else if (type_url == xds::kAddressType) {
    rejected = take_addresses(std::move(added), std::move(removed));
  } else {
    rejected = mesh_.apply(type_url, std::move(added), std::move(removed));
  }
  auto next = std::make_shared<View>();
  next->number = view_->number + 1;
  next->mesh = mesh_.snapshot();
  next->routes = compiler_.compile();
  next->labels = labels_;
  choose_edges();
  next->edges = edges_;
  view_ = std::move(next);
  if (open_) publish_(view_);
  return rejected;
}

// The compiler gets the services; a name of a workload is nobody's service.
RejectedList ViewFeed::take_addresses(AddedList added, std::vector<std::string> removed) {
  std::vector<std::string> names;
  names.reserve(added.size());
  for (const auto& one : added) names.push_back(one.name);
  for (const auto& name : removed) compiler_.remove_service(name);
  auto rejected = mesh_.apply(xds::kAddressType, std::move(added), std::move(removed));
  for (const auto& name : names) {
    if (auto service = mesh_.snapshot()->service(name)) compiler_.put(std::move(service));
  }
  return rejected;
}

RejectedList ViewFeed::take_virtual_services(AddedList added,
                                             const std::vector<std::string>& removed) {
  RejectedList rejected;
  for (const auto& name : removed) {
    compiler_.remove_virtual_service(split(name).first, split(name).second);
  }
  for (const auto& one : added) {
    auto object = l7::parse_virtual_service(one.bytes);
    object ? compiler_.put(std::move(*object)) : reject(rejected, one.name, object.error());
  }
  return rejected;
}

RejectedList ViewFeed::take_destination_rules(AddedList added,
                                              const std::vector<std::string>& removed) {
  RejectedList rejected;
  for (const auto& name : removed) {
    compiler_.remove_destination_rule(split(name).first, split(name).second);
  }
  for (const auto& one : added) {
    auto object = l7::parse_destination_rule(one.bytes);
    object ? compiler_.put(std::move(*object)) : reject(rejected, one.name, object.error());
  }
  return rejected;
}

RejectedList ViewFeed::take_gateways(AddedList added, const std::vector<std::string>& removed) {
  RejectedList rejected;
  for (const auto& name : removed) gateways_.erase(name);
  for (const auto& one : added) {
    auto object = l7::parse_edge(one.bytes);
    if (!object) {
      reject(rejected, one.name, object.error());
      continue;
    }
    gateways_.insert_or_assign(one.name, std::move(*object));
  }
  return rejected;
}

// Those whose selector has the labels of our own pod.
void ViewFeed::choose_edges() {
  if (edge_pod_.empty()) return;
  Edges now{own_namespace_, {}};
  const auto self = mesh_.snapshot()->workload_named(own_namespace_, edge_pod_);
  const auto labels = self ? labels_by_uid_.find(self->uid) : labels_by_uid_.end();
  if (labels != labels_by_uid_.end()) {
    for (const auto& [name, gateway] : gateways_) {
      if (l7::selects(gateway, *labels->second)) now.gateways.push_back(gateway);
    }
  }
  if (now != *edges_) edges_ = std::make_shared<const Edges>(std::move(now));
}

RejectedList ViewFeed::take_labels(AddedList added, const std::vector<std::string>& removed) {
  RejectedList rejected;
  for (const auto& uid : removed) labels_by_uid_.erase(uid);
  for (const auto& one : added) {
    auto labels = xds::parse_labels(one.bytes);
    if (!labels) {
      reject(rejected, one.name, labels.error());
      continue;
    }
    labels_by_uid_[labels->uid] = std::make_shared<const LabelMap>(std::move(labels->labels));
  }
  labels_ = std::make_shared<const Labels>(labels_by_uid_);
  return rejected;
}

}  // namespace culvert::waypoint
