// Which VirtualServices count for a host, in which order, for whom; and what a change does again.
#include "destination_rule.pb.h"
#include "lab.hpp"

using namespace culvert::l7;
using namespace culvert::l7::test;

namespace {

std::string service_rules(const std::string& name, const std::string& host,
                          const std::string& rules, const std::string& more = "",
                          const std::string& ns = "shop") {
  return object("VirtualService", name,
                "{hosts: [\"" + host + "\"], " + more + "http: [" + rules + "]}", ns);
}

std::string route_to(const std::string& subset) {
  return "{route: [{destination: {host: reviews.shop.svc.cluster.local, subset: " + subset + "}}]}";
}

}  // namespace

TEST_CASE("hosts: short, full, in any case, as a wildcard; the most specific counts") {
  for (const char* host :
       {"reviews", "reviews.shop.svc", "reviews.shop.svc.cluster.local", "REVIEWS",
        "Reviews.Shop.svc.Cluster.local", "*.shop.svc.cluster.local", "*.local"}) {
    CAPTURE(host);
    auto lab = Lab(subsets() + service_rules("a", host, route_to("v2")));
    CHECK(lab.where({}) == "v2");
    CHECK(lab.where({.host = "REVIEWS.shop.svc.cluster.local."}) == "v2");
  }
  for (const char* host : {"ratings", "reviews.web.svc.cluster.local",
                           "*.reviews.shop.svc.cluster.local", "reviews.shop"}) {
    CAPTURE(host);
    auto lab = Lab(subsets() + service_rules("a", host, route_to("v2")));
    CHECK(lab.where({}) == "reviews.shop.svc.cluster.local");
  }
  auto lab = Lab(subsets() + service_rules("a", "*.local", route_to("v1")) +
                 service_rules("b", "*.shop.svc.cluster.local", route_to("v2")) +
                 service_rules("c", "reviews", "{match: [{uri: {exact: /x}}], " + to("v3") + "}"));
  CHECK(lab.where({"/x"}) == "v3");
  CHECK(lab.where({"/y"}) == "NR");  // the name itself has rules: none of them matched
  CHECK(lab.where({.host = "ratings.shop.svc.cluster.local"}) == "v2");
}

TEST_CASE("a name of the cluster is its own namespace's service, whoever else claims it") {
  Lab lab(object("VirtualService", "reviews",
                 "{hosts: [reviews], http: [{route: [{destination: "
                 "{host: reviews}}]}]}"));
  auto claimed = std::make_shared<culvert::mesh::Service>(*service("aaa", "reviews", {80}));
  claimed->hostname = "reviews.shop.svc.cluster.local";
  lab.compiler.put(culvert::mesh::ServicePtr(claimed));
  lab.table = lab.compiler.compile();
  CHECK(lab.choose({}).cluster->service_key == "shop/reviews.shop.svc.cluster.local");
  lab.compiler.remove_service("shop/reviews.shop.svc.cluster.local");
  lab.table = lab.compiler.compile();
  CHECK(lab.choose({}).kind == Decision::Kind::kNoCluster);
}

TEST_CASE("a short name is of the VirtualService's own namespace") {
  auto lab = Lab(subsets() + service_rules("a", "reviews", route_to("v2"), "", "web"));
  CHECK(lab.where({}) == "reviews.shop.svc.cluster.local");
  auto full = Lab(subsets() +
                  service_rules("a", "reviews.shop.svc.cluster.local", route_to("v2"), "", "web"));
  CHECK(full.where({}) == "v2");
}

TEST_CASE("exportTo: the client's namespace decides; whom no rule shows itself gets the service") {
  auto lab = Lab(subsets() + service_rules("a", "reviews.shop.svc.cluster.local", route_to("v2"),
                                           "exportTo: [\".\", test], ", "web"));
  CHECK(lab.where({.ns = "web"}) == "v2");
  CHECK(lab.where({.ns = "test"}) == "v2");
  CHECK(lab.where({.ns = "shop"}) == "reviews.shop.svc.cluster.local");
  CHECK(lab.where({.ns = ""}) == "reviews.shop.svc.cluster.local");
  auto none = Lab(subsets() + service_rules("a", "reviews", route_to("v2"), "exportTo: [\"~\"], "));
  CHECK(none.where({}) == "reviews.shop.svc.cluster.local");
  auto both = Lab(subsets() +
                  service_rules("a", "reviews.shop.svc.cluster.local", route_to("v2"),
                                "exportTo: [\".\"], ", "web") +
                  service_rules("b", "reviews", route_to("v3")));
  CHECK(both.where({.ns = "web"}) == "v2");
  CHECK(both.where({.ns = "shop"}) == "v3");
}

TEST_CASE("several VirtualServices on one host: older first, and each is told what it gives") {
  auto lab =
      Lab(subsets() +
          service_rules("z", "reviews",
                        "{match: [{uri: {prefix: /a}}], " + to("v1") + "}, " + route_to("v1")) +
          service_rules("a", "reviews",
                        "{match: [{uri: {prefix: /a}}, {uri: {prefix: /b}}], " + to("v2") + "}, " +
                            route_to("v2")));
  CHECK(lab.where({"/a"}) == "v1");
  CHECK(lab.where({"/b"}) == "v2");  // the older one's rule for all requests stands behind
  CHECK(lab.where({"/c"}) == "v1");
  CHECK(lab.compiler.report("shop", "z").lines ==
        std::vector<std::string>{"2 of 2 matches for reviews.shop.svc.cluster.local at mesh"});
  CHECK(lab.compiler.report("shop", "a").lines ==
        std::vector<std::string>{
            "2 of 3 matches for reviews.shop.svc.cluster.local at mesh; the others "
            "stand behind shop/z, which takes every request"});
}

TEST_CASE("of the same age the name decides") {
  auto lab = Lab(subsets());
  for (const char* name : {"b", "a", "c"}) {
    lab.age = 100;
    lab.add(service_rules(name, "reviews", route_to(name[0] == 'a' ? "v1" : "v2")));
  }
  CHECK(lab.where({}) == "v1");
}

TEST_CASE("within one VirtualService the author's order stays, what stands behind all is told") {
  auto lab = Lab(subsets() + service_rules("a", "reviews",
                                           route_to("v1") + ", {match: [{uri: {prefix: /b}}], " +
                                               to("v2") + "}"));
  CHECK(lab.where({"/b"}) == "v1");
  CHECK(lab.compiler.report("shop", "a").lines[0].starts_with("1 of 2 matches"));
}

TEST_CASE("gateways: a rule applies exactly where it is said to") {
  auto lab =
      Lab(subsets() + service_rules("a", "reviews", route_to("v2"), "gateways: [mesh, edge], ") +
          service_rules("b", "shop.example",
                        "{match: [{gateways: [web/edge]}], " + to("v3") + "}, " + route_to("v1"),
                        "gateways: [edge, web/edge], ") +
          service_rules("c", "*", route_to("v2"), "gateways: [other], "));
  const auto at = [&](const std::string& gateway, const std::string& host) {
    return lab.where({.gateway = gateway, .host = host});
  };
  CHECK(lab.where({}) == "v2");
  CHECK(at("shop/edge", "reviews.shop.svc.cluster.local") == "v2");
  CHECK(at("shop/edge", "shop.example") == "v1");
  CHECK(at("shop/edge", "Shop.Example:8080") == "v1");
  CHECK(at("web/edge", "shop.example") == "v3");
  CHECK(at("web/edge", "reviews.shop.svc.cluster.local") == "no host");
  CHECK(at("shop/edge", "other.example") == "no host");
  CHECK(at("shop/other", "anything") == "v2");
  CHECK(at("mesh", "shop.example") == "no host");
}

TEST_CASE("a service without rules is served as it is; what nobody has is not") {
  auto lab = Lab("");
  const auto decision = lab.choose({.host = "ratings.shop.svc.cluster.local"});
  CHECK(decision.kind == Decision::Kind::kForward);
  CHECK(decision.cluster->name() == "outbound|80||ratings.shop.svc.cluster.local");
  CHECK(decision.route_name == "default");
  REQUIRE(retry_policy(decision));
  CHECK(retry_policy(decision)->attempts == 2);
  CHECK(lab.where({.host = "ratings.shop.svc.cluster.local", .port = 81}) == "NC");
  CHECK(lab.where({.host = "nobody.shop.svc.cluster.local"}) == "no host");
}

TEST_CASE("a host whose only object was refused is refused, not defaulted") {
  auto lab = Lab(subsets());
  auto spec = std::make_shared<istio::networking::v1alpha3::VirtualService>();
  spec->add_hosts("reviews");
  lab.compiler.put(VirtualServiceObject{"shop", "bad", 1, spec, true});
  lab.table = lab.compiler.compile();
  CHECK(lab.where({}) == "refused");
  CHECK_FALSE(lab.compiler.report("shop", "bad").in_force);
  // Another one's rules hold.
  lab.add(service_rules("good", "reviews", "{match: [{uri: {prefix: /a}}], " + to("v2") + "}"));
  CHECK(lab.where({"/a"}) == "v2");
  CHECK(lab.where({"/b"}) == "NR");
  lab.compiler.remove_virtual_service("shop", "bad");
  lab.compiler.remove_virtual_service("shop", "good");
  lab.table = lab.compiler.compile();
  CHECK(lab.where({}) == "reviews.shop.svc.cluster.local");
}

TEST_CASE("an object that came unvalidated and is not right is refused as a whole") {
  auto lab = Lab(subsets());
  auto spec = std::make_shared<istio::networking::v1alpha3::VirtualService>();
  spec->add_hosts("reviews");
  spec->add_http()->add_route()->mutable_destination()->set_host("reviews");
  auto* bad = spec->add_http();
  bad->add_match()->mutable_uri()->set_regex("(");
  bad->add_route()->mutable_destination()->set_host("reviews");
  lab.compiler.put(VirtualServiceObject{"shop", "bad", 1, spec});
  lab.table = lab.compiler.compile();
  CHECK(lab.where({}) == "refused");
}

TEST_CASE("a change touches what depends on it, and shares the rest") {
  auto lab = Lab("");
  std::string many = subsets();
  for (int i = 0; i < 1000; ++i) {
    const auto host = "svc" + std::to_string(i);
    lab.compiler.put(service("shop", host, {80}));
    many += service_rules(host, host, "{route: [{destination: {host: " + host + "}}]}");
  }
  lab.add(many);
  CHECK(lab.compiler.work().virtual_services == 1000);
  CHECK(lab.compiler.work().hosts == 1000);
  const auto routes_of = [&](const std::string& host) {
    const auto full = host + ".shop.svc.cluster.local";
    TargetView target;
    target.host = full;
    return find_host(*lab.table, target, "shop");
  };
  const auto* before = routes_of("svc1");

  lab.add(service_rules("svc7", "svc7", route_to("v2")));
  CHECK(lab.compiler.work().virtual_services == 1);
  CHECK(lab.compiler.work().hosts == 1);
  CHECK(lab.compiler.work().upstreams == 1);
  CHECK(routes_of("svc1") == before);
  CHECK(lab.where({.host = "svc7.shop.svc.cluster.local"}) == "v2");

  lab.add(object("DestinationRule", "svc1",
                 "{host: svc1, trafficPolicy: {loadBalancer: {simple: RANDOM}}}"));
  CHECK(lab.compiler.work().virtual_services == 1);
  CHECK(lab.compiler.work().upstreams == 1);
  CHECK(routes_of("svc1") != before);
  CHECK(lab.choose({.host = "svc1.shop.svc.cluster.local"}).cluster->policy.balancer ==
        Balancer::kRandom);

  // svc7 leads to reviews: its service and its DestinationRule concern svc7 alone.
  lab.compiler.put(service("shop", "reviews", {81}));
  lab.table = lab.compiler.compile();
  CHECK(lab.compiler.work().virtual_services == 1);
  CHECK(lab.where({.host = "svc7.shop.svc.cluster.local"}) == "v2");

  lab.compiler.remove_service("shop/svc3.shop.svc.cluster.local");
  lab.table = lab.compiler.compile();
  CHECK(lab.where({.host = "svc3.shop.svc.cluster.local"}) == "NC");
  lab.compiler.remove_destination_rule("shop", "svc1");
  lab.table = lab.compiler.compile();
  CHECK(lab.choose({.host = "svc1.shop.svc.cluster.local"}).cluster->policy.balancer ==
        Balancer::kLeastRequest);
  lab.table = lab.compiler.compile();
  CHECK(lab.compiler.work().hosts + lab.compiler.work().virtual_services == 0);
}

TEST_CASE("an explanation names each rule that was asked and why it was not taken") {
  auto lab =
      Lab(subsets() +
          service_rules("a", "reviews",
                        "{name: beta, match: [{name: user, headers: {end-user: {exact: jason}}}, "
                        "{uri: {prefix: /beta}}], " +
                            to("v2") + "}, {name: rest, " + to("v1") + "}"));
  Explanation told;
  const auto decision = lab.choose({.path = "/x", .headers = {{"end-user", "ann"}}}, &told);
  CHECK(decision.route_name == "rest");
  REQUIRE(told.steps.size() == 3);
  CHECK(told.steps[0].route_name == "beta.user");
  CHECK(told.steps[0].virtual_service == "shop/a");
  CHECK(told.steps[0].why == "header end-user \"ann\" is not exact \"jason\"");
  CHECK(told.steps[1].route_name == "beta");
  CHECK(told.steps[1].why == "the path \"/x\" is not prefix \"/beta\"");
  CHECK(told.steps[2].matched);
  CHECK(told.steps[2].why == "it takes every request");
}

namespace {

void put_host(Lab& lab, const std::string& ns, const std::string& host,
              std::optional<std::vector<std::string>> exported_to = {}) {
  auto made = std::make_shared<culvert::mesh::Service>(*service(ns, "books", {80}));
  made->hostname = host;
  made->exported_to = std::move(exported_to);
  lab.compiler.put(culvert::mesh::ServicePtr(made));
  lab.table = lab.compiler.compile();
}

}  // namespace

TEST_CASE("a rule leads to a host that its own namespace sees, and to no other") {
  const auto rule = [](const std::string& ns) {
    return service_rules("r-" + ns, "reviews.shop.svc.cluster.local",
                         "{match: [{uri: {exact: /" + ns +
                             "}}], route: [{destination: {host: "
                             "books.example}}]}",
                         "", ns);
  };
  Lab lab(rule("shop") + rule("web") + rule("bank"));
  put_host(lab, "web", "books.example", {{"web", "bank"}});
  CHECK(lab.where({"/web"}) == "books.example");
  CHECK(lab.where({"/bank"}) == "books.example");
  CHECK(lab.where({"/shop"}) == "NC");
  // Each its own where several have it; and what changes, changes for all.
  put_host(lab, "shop", "books.example", {{"shop"}});
  CHECK(lab.choose({"/shop"}).cluster->service_key == "shop/books.example");
  CHECK(lab.choose({"/bank"}).cluster->service_key == "web/books.example");
  put_host(lab, "web", "books.example", {{"~"}});
  CHECK(lab.where({"/bank"}) == "NC");
  CHECK(lab.where({"/shop"}) == "books.example");
}

TEST_CASE("of several services with a host, a client gets the one that it addressed") {
  Lab lab("");
  put_host(lab, "bank", "books.example");
  put_host(lab, "web", "books.example");
  const auto of = [&](std::string_view ns) {
    RequestView request;
    TargetView target;
    target.host = "books.example";
    target.port = 80;
    target.service_ns = ns;
    return choose_route(*lab.table, target, request, {}, lab.random).cluster->service_key;
  };
  CHECK(of("bank") == "bank/books.example");
  CHECK(of("web") == "web/books.example");
  lab.compiler.remove_service("bank/books.example");
  lab.table = lab.compiler.compile();
  CHECK(of("bank") == "web/books.example");
  CHECK(of("web") == "web/books.example");
}

TEST_CASE("a DestinationRule that was refused stands in for its host, where it counts") {
  Lab lab(subsets() + service_rules("a", "reviews", "{" + to("v2") + "}"));
  CHECK(lab.where({}) == "v2");
  const auto put = [&](const std::string& ns, const std::string& host, bool refused) {
    auto spec = std::make_shared<::istio::networking::v1alpha3::DestinationRule>();
    spec->set_host(host);
    lab.compiler.put(DestinationRuleObject{ns, "broken", 9, spec, refused});
    lab.table = lab.compiler.compile();
  };
  put("shop", "reviews", true);
  CHECK(lab.where({}) == "refused");
  CHECK(lab.compiler.report("shop", "a").unknown ==
        std::vector<std::string>{"valid DestinationRule for reviews.shop.svc.cluster.local"});
  put("shop", "reviews", false);
  CHECK(lab.where({}) == "v2");
  put("shop", "*.local", true);  // less specific than the one for reviews
  CHECK(lab.where({}) == "v2");
  CHECK(lab.where({.host = "ratings.shop.svc.cluster.local"}) == "refused");
  put("web", "reviews.shop.svc.cluster.local", true);  // of a namespace that has no say
  CHECK(lab.where({}) == "v2");
}
