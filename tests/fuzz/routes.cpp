// Rules and requests drawn from the input: VirtualServices of several hosts, gateways and
// namespaces, subsets and services come, are replaced and go, and after each change the compiled
// table chooses and does what a slow, plain reading of the messages says.
#include "../unit/l7/drawn_rules.hpp"
#include "../unit/l7/plain_action.hpp"
#include "culvert/l7/compiler.hpp"
#include "destination_rule.pb.h"
#include "property.hpp"

using namespace culvert;
using namespace culvert::l7;
using fuzz::require;

namespace {

constexpr std::uint32_t kChanges = 6;
constexpr std::uint32_t kRequests = 6;

const std::string kReviews = "reviews.shop.svc.cluster.local";

class Mesh {
 public:
  Mesh() : compiler_({"cluster.local", "istio-system", "shop"}) {
    add_service("shop", "reviews", {80, 9090});
    add_service("shop", "ratings", {80});
    add_service("other", "reviews", {80});
    add_subsets();
  }

  /// Puts, replaces or removes one object.
  void change(l7::test::DrawnRules& drawn) {
    switch (drawn.below(8)) {
      case 0:
        remove_rules(drawn);
        break;
      case 1:
        plain_.subsets.contains(kReviews) ? remove_subsets() : add_subsets();
        break;
      case 2:
        plain_.services.contains("ratings.shop.svc.cluster.local")
            ? remove_service("shop", "ratings")
            : add_service("shop", "ratings", {80});
        break;
      default:
        const auto one = drawn.object();
        plain_.objects[{one.ns, one.name}] = one;
        compiler_.put(VirtualServiceObject{one.ns, one.name, one.created, one.spec, one.refused});
    }
    table_ = compiler_.compile();
  }

  void ask(l7::test::DrawnRules& drawn) {
    const auto ask = drawn.ask();
    const l7::test::Views views(ask);
    Explanation told;
    const auto decision = choose_route(*table_, views.target, views.request, views.client, random_);
    const auto explained =
        choose_route(*table_, views.target, views.request, views.client, random_, &told);
    const auto differs = l7::test::action_differs(plain_, ask, decision);
    require(differs.empty(), differs.c_str());
    require(explained.route_name == decision.route_name, "an explanation comes to the same rule");
    require(explained.kind == decision.kind || decision.forward != nullptr,
            "and ends the same, but for what is drawn");
  }

 private:
  void add_service(const std::string& ns, const std::string& name, std::set<std::uint16_t> ports) {
    auto service = std::make_shared<mesh::Service>();
    service->ns = ns;
    service->name = name;
    service->hostname = l7::test::full_name(name, ns);
    for (const auto port : ports) {
      service->ports.push_back({port, 8080, mesh::AppProtocol::kHttp11});
    }
    plain_.services[service->hostname] = std::move(ports);
    compiler_.put(mesh::ServicePtr(service));
  }
  void remove_service(const std::string& ns, const std::string& name) {
    const auto host = l7::test::full_name(name, ns);
    plain_.services.erase(host);
    compiler_.remove_service(ns + "/" + host);
  }
  void add_subsets() {
    auto spec = std::make_shared<l7::test::v1::DestinationRule>();
    spec->set_host("reviews");
    for (const auto* name : {"v1", "v2"}) {
      spec->add_subsets()->set_name(name);
      plain_.subsets[kReviews].insert(name);
    }
    compiler_.put(DestinationRuleObject{"shop", "reviews", 0, spec});
  }
  void remove_subsets() {
    plain_.subsets.clear();
    compiler_.remove_destination_rule("shop", "reviews");
  }
  void remove_rules(l7::test::DrawnRules& drawn) {
    if (plain_.objects.empty()) return;
    const auto which = drawn.below(static_cast<std::uint32_t>(plain_.objects.size()));
    const auto one = std::next(plain_.objects.begin(), which);
    compiler_.remove_virtual_service(one->first.first, one->first.second);
    plain_.objects.erase(one);
  }

  Compiler compiler_;
  RouteTablePtr table_;
  l7::test::PlainMesh plain_;
  Random random_{1};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::uint8_t> input(data, size);
  l7::test::DrawnRules drawn([&](std::uint32_t n) { return fuzz::take_byte(input) % n; });
  Mesh mesh;
  for (std::uint32_t i = 0; i < kChanges && !input.empty(); ++i) {
    mesh.change(drawn);
    for (std::uint32_t j = 0; j < kRequests; ++j) mesh.ask(drawn);
  }
  return 0;
}
