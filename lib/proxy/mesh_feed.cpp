#include "culvert/proxy/mesh_feed.hpp"

#include "culvert/base/log.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::proxy {

std::vector<xds::Rejected> MeshFeed::apply(std::string_view type_url,
                                           std::vector<xds::AddedResource> added,
                                           std::vector<std::string> removed) {
  std::vector<xds::Rejected> rejected;
  mesh::Delta delta;
  const bool addresses = type_url == xds::kAddressType;
  (addresses ? delta.removed_addresses : delta.removed_policies) = std::move(removed);
  const auto reject = [&](const xds::AddedResource& resource, const Error& error) {
    log::warn("resource {}: {}", resource.name, error.to_string());
    rejected.push_back({resource.name, error.to_string()});
  };
  for (const auto& resource : added) {
    if (addresses) {
      auto address = xds::parse_address(resource.bytes, trust_domain_);
      if (!address) {
        reject(resource, address.error());
      } else if (auto* workload = std::get_if<mesh::Workload>(&*address)) {
        delta.workloads.push_back(std::move(*workload));
      } else {
        delta.services.push_back(std::move(std::get<mesh::Service>(*address)));
      }
    } else if (auto policy = xds::parse_authorization(resource.bytes); policy) {
      delta.policies.push_back(std::move(*policy));
    } else {
      reject(resource, policy.error());
    }
  }
  snapshot_ = mesh::apply(*snapshot_, std::move(delta));
  if (open_) publish_(snapshot_);
  return rejected;
}

void MeshFeed::open() {
  if (open_) return;
  open_ = true;
  publish_(snapshot_);
}

}  // namespace culvert::proxy
