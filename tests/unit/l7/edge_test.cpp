// Edges: which Gateway takes a request, and whose VirtualServices count there.
#include "culvert/l7/edge.hpp"

#include "culvert/l7/wire_object.hpp"
#include "istio_gateway.pb.h"
#include "lab.hpp"

using namespace culvert::l7;
using namespace culvert::l7::test;

namespace {

namespace v1 = ::istio::networking::v1alpha3;

struct Server {
  std::uint16_t port;
  std::vector<std::string> hosts;
};

/// As it comes from control.
EdgeObject edge(const std::string& ns, const std::string& name,
                const std::vector<Server>& servers) {
  v1::Gateway spec;
  (*spec.mutable_selector())["istio"] = "in";
  for (const auto& one : servers) {
    auto& server = *spec.add_servers();
    server.mutable_port()->set_number(one.port);
    server.mutable_port()->set_protocol("HTTP");
    for (const auto& host : one.hosts) server.add_hosts(host);
  }
  auto made = parse_edge(encode_object(ns, name, 1, spec));
  REQUIRE(made);
  return *made;
}

/// A VirtualService whose only rule is called as it is.
std::string rules(const std::string& ns, const std::string& name, const std::string& host,
                  const std::string& gateways, const std::string& more = "") {
  return object("VirtualService", name,
                "{hosts: [\"" + host + "\"], gateways: [" + gateways + "], " + more +
                    "http: [{name: " + name +
                    ", route: [{destination: {host: ratings.shop.svc.cluster.local}}]}]}",
                ns);
}

struct Edges {
  Edges(const std::string& yaml, std::vector<EdgeObject> all) : lab(yaml), edges(std::move(all)) {}

  /// The rule that a request meets; "-" without one.
  std::string ask(const std::string& host, std::uint16_t port = 80, const std::string& path = "/") {
    RequestView request;
    request.method = "GET";
    request.scheme = "http";
    request.authority = host;
    request.path = path;
    TargetView target;
    target.host = host;
    target.port = port;
    target.viewer = "shop";
    const auto decision = choose_at_edge(*lab.table, edges, target, request, {}, lab.random);
    return decision.rule ? std::string(decision.route_name) : "-";
  }

  Lab lab;
  std::vector<EdgeObject> edges;
};

}  // namespace

TEST_CASE("each Gateway has its own ports, hosts and VirtualServices") {
  Edges at(rules("shop", "a", "a.example", "one") + rules("shop", "b", "b.example", "two") +
               rules("shop", "both", "c.example", "one, two") +
               rules("shop", "inside", "a.example", "mesh"),
           {edge("shop", "one", {{80, {"a.example", "c.example"}}}),
            edge("shop", "two", {{81, {"*.example"}}})});
  CHECK(at.ask("a.example") == "a");
  CHECK(at.ask("A.Example:80") == "a");
  CHECK(at.ask("b.example") == "-");
  CHECK(at.ask("b.example", 81) == "b");
  CHECK(at.ask("a.example", 81) == "-");
  CHECK(at.ask("c.example") == "both");
  CHECK(at.ask("c.example", 81) == "both");
  CHECK(at.ask("c.example", 82) == "-");
}

TEST_CASE("NAMESPACE/HOST, ./HOST and */HOST say whose VirtualServices count") {
  const std::string all = rules("bank", "theirs", "www.example", "shop/front") +
                          rules("shop", "ours", "www.example", "front");
  const auto at = [&](const std::string& host) {
    return Edges(all, {edge("shop", "front", {{80, {host}}})}).ask("www.example");
  };
  CHECK(at("bank/www.example") == "theirs");
  CHECK(at("./www.example") == "ours");
  CHECK(at("shop/*.example") == "ours");
  CHECK(at("*/www.example") == "theirs");  // of one age: by name
  CHECK(at("www.example") == "theirs");
  CHECK(at("web/www.example") == "-");
  CHECK(at("bank/other.example") == "-");
  // Each server has its own.
  Edges two(all, {edge("shop", "front", {{80, {"./www.example"}}, {81, {"bank/*"}}})});
  CHECK(two.ask("www.example", 80) == "ours");
  CHECK(two.ask("www.example", 81) == "theirs");
}

TEST_CASE("of several Gateways at one port that one decides which names the host best") {
  Edges at(rules("shop", "any", "*", "a") + rules("shop", "wild", "*.example", "b") +
               rules("shop", "name", "www.example", "c", "") +
               rules("shop", "later", "www.example", "d"),
           {edge("shop", "a", {{80, {"*"}}}), edge("shop", "b", {{80, {"*.example"}}}),
            edge("shop", "c", {{80, {"*"}}}), edge("shop", "d", {{80, {"*"}}})});
  CHECK(at.ask("www.example") == "name");
  CHECK(at.ask("api.example") == "wild");
  CHECK(at.ask("other") == "any");
  // Where the first has no rule that matches, the next that names it as well is asked.
  Edges two(object("VirtualService", "first",
                   "{hosts: [www.example], gateways: [c], http: [{name: first, match: [{uri: "
                   "{prefix: /x}}], route: [{destination: {host: ratings}}]}]}") +
                rules("shop", "second", "www.example", "d"),
            {edge("shop", "c", {{80, {"*"}}}), edge("shop", "d", {{80, {"*"}}})});
  CHECK(two.ask("www.example", 80, "/x") == "first");
  CHECK(two.ask("www.example", 80, "/y") == "second");
}

TEST_CASE("exportTo is asked for the edge's own namespace") {
  const auto at = [](const std::string& ns, const std::string& export_to) {
    return Edges(rules(ns, "r", "www.example", "shop/front", "exportTo: [" + export_to + "], "),
                 {edge("shop", "front", {{80, {"*"}}})})
        .ask("www.example");
  };
  CHECK(at("shop", "\".\"") == "r");
  CHECK(at("bank", "\".\"") == "-");
  CHECK(at("bank", "shop") == "r");
  CHECK(at("bank", "\"*\"") == "r");
}

TEST_CASE("a selector must have all its labels, and an empty one selects nobody") {
  const auto one = edge("shop", "front", {});
  CHECK(selects(one, {{"istio", "in"}, {"app", "x"}}));
  CHECK_FALSE(selects(one, {{"istio", "out"}}));
  CHECK_FALSE(selects(one, {}));
  CHECK_FALSE(selects(EdgeObject{}, {{"istio", "in"}}));
}
