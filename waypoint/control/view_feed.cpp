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

ViewFeed::ViewFeed(std::string trust_domain, std::string gateway, l7::CompilerSettings settings,
                   Publish publish)
    : mesh_(std::move(trust_domain), [](const mesh::SnapshotPtr&) {}),
      gateway_(std::move(gateway)),
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
  next->mesh = mesh_.snapshot();
  next->routes = compiler_.compile();
  next->labels = labels_;
  next->edge = edge_;
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

// Only the one that is served here is looked at.
RejectedList ViewFeed::take_gateways(AddedList added, const std::vector<std::string>& removed) {
  RejectedList rejected;
  if (std::ranges::find(removed, gateway_) != removed.end()) edge_ = nullptr;
  for (const auto& one : added) {
    if (one.name != gateway_) continue;
    auto object = l7::parse_edge(one.bytes);
    if (!object) {
      reject(rejected, one.name, object.error());
      continue;
    }
    edge_ = std::make_shared<const l7::EdgeObject>(std::move(*object));
  }
  return rejected;
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
