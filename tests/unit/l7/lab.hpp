// A small mesh for route tests: service reviews (ports 80, 9090) and ratings (80) in "shop", and
// objects from YAML, read and validated as a folder's are.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "ask.hpp"
#include "culvert/config/parse.hpp"
#include "culvert/l7/apply.hpp"
#include "culvert/l7/choose_route.hpp"
#include "culvert/l7/compiler.hpp"
#include "istio_objects.pb.h"

namespace culvert::l7::test {

inline mesh::ServicePtr service(const std::string& ns, const std::string& name,
                                const std::vector<std::uint16_t>& ports) {
  auto made = std::make_shared<mesh::Service>();
  made->ns = ns;
  made->name = name;
  made->hostname = name + "." + ns + ".svc.cluster.local";
  for (const auto port : ports) made->ports.push_back({port, 8080, mesh::AppProtocol::kHttp11});
  return made;
}

inline std::string object(const std::string& kind, const std::string& name, const std::string& spec,
                          const std::string& ns = "shop") {
  return "apiVersion: networking.istio.io/v1\nkind: " + kind + "\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: " + spec + "\n---\n";
}

/// Of reviews, with subsets v1 to v3.
inline std::string subsets(const std::string& policy = "") {
  return object(
      "DestinationRule", "reviews",
      "{host: reviews, " + (policy.empty() ? "" : "trafficPolicy: " + policy + ", ") +
          "subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, "
          "{name: v3, labels: {version: v3}}]}");
}

inline std::string to(const std::string& subset) {
  return "route: [{destination: {host: reviews, subset: " + subset + "}}]";
}

class Lab {
 public:
  explicit Lab(const std::string& yaml,
               CompilerSettings settings = {"cluster.local", "istio-system", "shop"})
      : compiler(std::move(settings)) {
    compiler.put(service("shop", "reviews", {80, 9090}));
    compiler.put(service("shop", "ratings", {80}));
    add(yaml);
  }

  /// Objects later in the text are younger.
  void add(const std::string& yaml) {
    const auto file = config::parse_file("routes.yaml", yaml);
    for (const auto& d : file.diagnostics) FAIL_CHECK(d.to_string());
    for (const auto& one : file.objects) {
      if (one->key.kind == "VirtualService") {
        const auto& message = config::message_as<api::istio::VirtualService>(*one);
        compiler.put(
            VirtualServiceObject{one->key.ns, one->key.name, ++age,
                                 std::shared_ptr<const std::decay_t<decltype(message.spec())>>(
                                     one->message, &message.spec())});
      } else {
        const auto& message = config::message_as<api::istio::DestinationRule>(*one);
        compiler.put(
            DestinationRuleObject{one->key.ns, one->key.name, ++age,
                                  std::shared_ptr<const std::decay_t<decltype(message.spec())>>(
                                      one->message, &message.spec())});
      }
    }
    table = compiler.compile();
  }

  Decision choose(const Ask& ask, Explanation* explanation = nullptr) {
    const auto& views = asked.emplace_back(ask);
    return choose_route(*table, views.target, views.request, views.client, random, explanation);
  }

  /// The subset (or else the host) that a request goes to, "redirect", "direct", "NR", "NC", ...
  std::string where(const Ask& ask) {
    const auto decision = choose(ask);
    switch (decision.kind) {
      case Decision::Kind::kForward:
        return decision.cluster->subset.empty() ? decision.cluster->host : decision.cluster->subset;
      case Decision::Kind::kRedirect:
        return "redirect";
      case Decision::Kind::kDirectResponse:
        return "direct";
      case Decision::Kind::kNoHost:
        return "no host";
      case Decision::Kind::kNoRoute:
        return "NR";
      case Decision::Kind::kNoCluster:
        return "NC";
      case Decision::Kind::kRefused:
        return "refused";
    }
    return "";
  }

  Compiler compiler;
  RouteTablePtr table;
  Random random{1};
  std::int64_t age = 0;
  std::deque<Views>
      asked;  // decisions point to the table; views are kept for what is formatted later
};

/// One rule in front of one that sends everything to v1.
inline Lab lab_with(const std::string& rule) {
  return Lab(subsets() + object("VirtualService", "reviews",
                                "{hosts: [reviews], http: [{" + rule + "}, {" + to("v1") + "}]}"));
}

}  // namespace culvert::l7::test
