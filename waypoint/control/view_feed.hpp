// From xDS resources to the view that workers serve by: the mesh, the routes compiled, the labels
// of pods. On the control loop's thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "culvert/l7/compiler.hpp"
#include "culvert/proxy/mesh_feed.hpp"
#include "waypoint/view.hpp"

namespace culvert::waypoint {

class ViewFeed final : public proxy::Feed {
 public:
  using Publish = std::function<void(const ViewPtr&)>;

  /// `edge_pod`: the name of the pod that this process runs in, if it is an edge; "" at a waypoint.
  ViewFeed(std::string trust_domain, std::string edge_pod, l7::CompilerSettings settings,
           Publish publish);

  /// Applies what can be read, compiles what depends on it, and publishes the next view once, if it
  /// is open; names what cannot, whose last good state stays.
  std::vector<xds::Rejected> apply(std::string_view type_url, std::vector<xds::AddedResource> added,
                                   std::vector<std::string> removed) override;
  void open() override;
  bool is_open() const override { return open_; }

  const ViewPtr& view() const { return view_; }
  /// What the last change cost.
  const l7::Compiler::Work& last_work() const { return compiler_.work(); }

 private:
  std::vector<xds::Rejected> take_addresses(std::vector<xds::AddedResource> added,
                                            std::vector<std::string> removed);
  std::vector<xds::Rejected> take_virtual_services(std::vector<xds::AddedResource> added,
                                                   const std::vector<std::string>& removed);
  std::vector<xds::Rejected> take_destination_rules(std::vector<xds::AddedResource> added,
                                                    const std::vector<std::string>& removed);
  std::vector<xds::Rejected> take_labels(std::vector<xds::AddedResource> added,
                                         const std::vector<std::string>& removed);

  std::vector<xds::Rejected> take_gateways(std::vector<xds::AddedResource> added,
                                           const std::vector<std::string>& removed);

  proxy::MeshFeed mesh_;
  void choose_edges();

  const std::string edge_pod_, own_namespace_;
  std::map<std::string, l7::EdgeObject> gateways_;  // all there are, by key
  std::shared_ptr<const Edges> edges_ = std::make_shared<const Edges>();
  l7::Compiler compiler_;
  std::shared_ptr<const Labels> labels_ = std::make_shared<const Labels>();
  Labels::ByUid labels_by_uid_;
  Publish publish_;
  bool open_ = false;
  ViewPtr view_ = std::make_shared<const View>();
};

}  // namespace culvert::waypoint
