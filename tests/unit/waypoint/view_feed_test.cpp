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
  explicit Feed(std::string edge_pod = "")
      : feed("cluster.local", std::move(edge_pod), {.own_namespace = "shop"},
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
  for (std::size_t i = 1; i < feed.published.size(); ++i) {
    CHECK(feed.published[i]->number > feed.published[i - 1]->number);
  }
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

namespace {

struct EdgeFeed : Feed {
  EdgeFeed() : Feed("front-0") { feed.open(); }

  /// The edge's own pod, with one label.
  void add_pod(const std::string& value) {
    ::istio::workload::Address address;
    auto& pod = *address.mutable_workload();
    pod.set_uid("Kubernetes//Pod/shop/front-0");
    pod.set_name("front-0");
    pod.set_namespace_("shop");
    CHECK(add(xds::kAddressType, pod.uid(), address.SerializeAsString()).empty());
    ::culvert::workload::v1::Labels labels;
    labels.set_uid(pod.uid());
    (*labels.mutable_labels())["istio"] = value;
    CHECK(add(xds::kLabelsType, labels.uid(), labels.SerializeAsString()).empty());
  }
  std::vector<std::string> served() const {
    std::vector<std::string> out;
    for (const auto& one : feed.view()->edges->gateways) out.push_back(one.key);
    return out;
  }
};

v1::Gateway gateway_of(const char* selects, std::uint32_t port, const char* host,
                       const char* protocol = "HTTP") {
  v1::Gateway gateway;
  (*gateway.mutable_selector())["istio"] = selects;
  auto& server = *gateway.add_servers();
  server.mutable_port()->set_number(port);
  server.mutable_port()->set_protocol(protocol);
  server.add_hosts(host);
  return gateway;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("an edge serves the Gateways that select its pod, of any namespace, while they do") {
  EdgeFeed feed;
  const auto put = [&](const std::string& ns, const std::string& name, const v1::Gateway& spec) {
    return feed.add(l7::kGatewayType, ns + "/" + name, l7::encode_object(ns, name, 1, spec));
  };
  CHECK(put("shop", "front", gateway_of("in", 80, "www.example")).empty());
  CHECK(put("bank", "back", gateway_of("in", 81, "*")).empty());
  CHECK(put("shop", "other", gateway_of("out", 82, "*")).empty());
  CHECK(feed.served().empty());  // nothing is known of the pod itself
  feed.add_pod("in");
  CHECK(feed.served() == Names{"bank/back", "shop/front"});
  CHECK(feed.feed.view()->edges->ports() == std::set<std::uint16_t>{80, 81});
  CHECK(feed.feed.view()->edges->ns == "shop");
  const auto before = feed.feed.view()->edges;
  (void)feed.add_service();
  CHECK(feed.feed.view()->edges == before);  // what does not change is shared
  feed.add_pod("out");
  CHECK(feed.served() == Names{"shop/other"});
  feed.add_pod("in");
  CHECK(put("bank", "back", gateway_of("in", 81, "*", "HTTPS")).empty());  // not plain HTTP
  CHECK(feed.feed.view()->edges->ports() == std::set<std::uint16_t>{80});
  CHECK(feed.add(l7::kGatewayType, "shop/front", "\xff nonsense").size() == 1);
  CHECK(feed.served() == Names{"bank/back", "shop/front"});
  feed.feed.apply(l7::kGatewayType, {}, {"shop/front"});
  CHECK(feed.served() == Names{"bank/back"});
}

TEST_CASE("a waypoint serves no Gateway, whomever it selects") {
  Feed feed;
  feed.feed.open();
  (void)feed.add(l7::kGatewayType, "shop/front",
                 l7::encode_object("shop", "front", 1, gateway_of("in", 80, "*")));
  CHECK(feed.feed.view()->edges->gateways.empty());
}
