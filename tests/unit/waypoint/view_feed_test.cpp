// Resources become views: routes are compiled for services that are there, labels and the edge's
// Gateway come beside them, and what cannot be read leaves the last good state.
#include "waypoint/control/view_feed.hpp"

#include <doctest/doctest.h>

#include "culvert/l7/choose_route.hpp"
#include "culvert/l7/wire_object.hpp"
#include "culvert/xds/resources.hpp"
#include "culvert_labels.pb.h"
#include "istio_gateway.pb.h"
#include "virtual_service.pb.h"
#include "workload.pb.h"

using namespace culvert;
using namespace culvert::waypoint;
namespace v1 = ::istio::networking::v1alpha3;

namespace {

constexpr const char* kKey = "shop/web.shop.svc.cluster.local";

struct Feed {
  explicit Feed(std::string gateway = "")
      : feed("cluster.local", std::move(gateway), {.own_namespace = "shop"},
             [this](const ViewPtr& view) { published.push_back(view); }) {}

  std::vector<xds::Rejected> add(std::string_view type, std::string name, std::string bytes) {
    return feed.apply(type, {{std::move(name), "1", std::move(bytes)}}, {});
  }
  std::vector<xds::Rejected> add_service() {
    ::istio::workload::Address address;
    auto& service = *address.mutable_service();
    service.set_name("web");
    service.set_namespace_("shop");
    service.set_hostname("web.shop.svc.cluster.local");
    service.add_ports()->set_service_port(80);
    service.mutable_ports(0)->set_target_port(8080);
    return add(xds::kAddressType, kKey, address.SerializeAsString());
  }
  l7::Decision ask(std::string_view path) const {
    l7::RequestView request;
    request.method = "GET";
    request.scheme = "http";
    request.authority = "web";
    request.path = path;
    random = l7::Random(1);
    return l7::choose_route(*feed.view()->routes,
                            {.host = "web.shop.svc.cluster.local", .port = 80}, request, {},
                            random);
  }

  std::vector<ViewPtr> published;
  ViewFeed feed;
  mutable l7::Random random{1};
};

std::string virtual_service(const std::string& host, const std::string& to) {
  v1::VirtualService spec;
  spec.add_hosts(host);
  auto& rule = *spec.add_http();
  rule.add_match()->mutable_uri()->set_prefix("/old");
  rule.mutable_redirect()->set_uri(to);
  return l7::encode_object("shop", "web", 1, spec);
}

}  // namespace

TEST_CASE("a view is published at each change, and not before control has told everything") {
  Feed feed;
  CHECK(feed.add_service().empty());
  CHECK(feed.add(l7::kVirtualServiceType, "shop/web", virtual_service("web", "/new")).empty());
  CHECK(feed.published.empty());
  feed.feed.open();
  REQUIRE(feed.published.size() == 1);
  CHECK(feed.published[0]->mesh->service(kKey) != nullptr);
  CHECK(feed.ask("/old").kind == l7::Decision::Kind::kRedirect);
  CHECK(feed.ask("/").kind == l7::Decision::Kind::kNoRoute);
  feed.feed.apply(l7::kVirtualServiceType, {}, {"shop/web"});
  CHECK(feed.published.size() == 2);
  CHECK(feed.ask("/").kind == l7::Decision::Kind::kForward);
  feed.feed.apply(xds::kAddressType, {}, {kKey});
  CHECK(feed.published.back()->mesh->service(kKey) == nullptr);
  CHECK(feed.ask("/").kind != l7::Decision::Kind::kForward);
}

TEST_CASE("what cannot be read is named, and its last good state stays") {
  Feed feed;
  feed.feed.open();
  (void)feed.add_service();
  (void)feed.add(l7::kVirtualServiceType, "shop/web", virtual_service("web", "/new"));
  for (const auto type : {l7::kVirtualServiceType, l7::kDestinationRuleType, xds::kLabelsType,
                          xds::kAddressType, xds::kAuthorizationType}) {
    CAPTURE(type);
    const auto rejected = feed.add(type, "shop/web", "\xff\xff nonsense");
    REQUIRE(rejected.size() == 1);
    CHECK(rejected[0].name == "shop/web");
  }
  CHECK(feed.ask("/old").kind == l7::Decision::Kind::kRedirect);
}

TEST_CASE("labels come by workload, and go") {
  Feed feed;
  feed.feed.open();
  ::culvert::workload::v1::Labels labels;
  labels.set_uid("Kubernetes//Pod/shop/web-0");
  (*labels.mutable_labels())["version"] = "v1";
  CHECK(feed.add(xds::kLabelsType, labels.uid(), labels.SerializeAsString()).empty());
  const auto view = feed.feed.view();
  REQUIRE(view->labels->of(labels.uid()) != nullptr);
  CHECK(view->labels->of(labels.uid())->at("version") == "v1");
  feed.feed.apply(xds::kLabelsType, {}, {labels.uid()});
  CHECK(feed.feed.view()->labels->of(labels.uid()) == nullptr);
  CHECK(view->labels->of(labels.uid()) != nullptr);  // a request's view does not change
}

TEST_CASE("an edge serves its own Gateway's HTTP servers, and no other's") {
  Feed feed("shop/front");
  feed.feed.open();
  v1::Gateway gateway;
  const auto serve = [&](std::uint32_t port, const char* protocol, const char* host) {
    auto& server = *gateway.add_servers();
    server.mutable_port()->set_number(port);
    server.mutable_port()->set_protocol(protocol);
    server.add_hosts(host);
  };
  serve(80, "HTTP", "shop/WWW.example");
  serve(80, "http2", "*.sub.example");
  serve(443, "HTTPS", "www.example");
  const auto wire = l7::encode_object("shop", "front", 1, gateway);
  CHECK(feed.add(l7::kGatewayType, "shop/other", wire).empty());
  CHECK(feed.feed.view()->edge == nullptr);
  CHECK(feed.add(l7::kGatewayType, "shop/front", wire).empty());
  const auto edge = feed.feed.view()->edge;
  REQUIRE(edge != nullptr);
  CHECK(l7::serves(*edge, 80, "www.Example:80"));
  CHECK(l7::serves(*edge, 80, "a.b.sub.example"));
  CHECK_FALSE(l7::serves(*edge, 80, "sub.example"));
  CHECK_FALSE(l7::serves(*edge, 80, "other.example"));
  CHECK_FALSE(l7::serves(*edge, 81, "www.example"));
  CHECK_FALSE(l7::serves(*edge, 443, "www.example"));
  CHECK(feed.add(l7::kGatewayType, "shop/front", "\xff nonsense").size() == 1);
  CHECK(feed.feed.view()->edge == edge);
  feed.feed.apply(l7::kGatewayType, {}, {"shop/front"});
  CHECK(feed.feed.view()->edge == nullptr);
}
