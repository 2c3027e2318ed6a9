// Rules and requests that are drawn: small words, so that they often meet.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "ask.hpp"
#include "plain_mesh.hpp"
#include "virtual_service.pb.h"

namespace culvert::l7::test {

/// `below(n)` gives a number from 0 to n - 1: of chance, or of the bytes of an input.
class DrawnRules {
 public:
  using Below = std::function<std::uint32_t(std::uint32_t)>;
  explicit DrawnRules(Below below) : below_(std::move(below)) {}
  std::uint32_t below(std::uint32_t n) { return below_(n); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  std::string of(std::initializer_list<const char*> all) {
    return all.begin()[below(static_cast<std::uint32_t>(all.size()))];
  }

  std::string path() {
    return of({"/", "/a", "/ab", "/ac", "/b", "/bc", "/A", "/aB/c", "/a/b/c", "x", "/abc"});
  }
  void text(v1::StringMatch& match, const std::string& value) {
    switch (below(8)) {
      case 0:
        match.set_regex(kPatterns[below(std::size(kPatterns))].text);
        break;
      case 1:
      case 2:
        match.set_prefix(value);
        break;
      case 3:
        break;  // presence
      default:
        match.set_exact(value);
    }
  }
  void match(v1::HTTPMatchRequest& out) {
    if (!one_in(4)) {
      text(*out.mutable_uri(), path());
      if (out.uri().match_type_case() == 0) out.mutable_uri()->set_prefix(path());
      out.set_ignore_uri_case(one_in(3));
    }
    if (one_in(5)) out.mutable_method()->set_exact(of({"GET", "POST"}));
    if (one_in(6)) out.set_port(one_in(2) ? 80 : 9090);
    if (one_in(10)) out.mutable_scheme()->set_exact(of({"http", "https"}));
    if (one_in(10)) text(*out.mutable_authority(), of({"reviews", "www.example", "www"}));
    if (one_in(10)) out.add_gateways(of({"mesh", "edge", "shop/edge"}));
    if (one_in(8)) out.set_source_namespace(of({"shop", "web"}));
    if (one_in(8)) (*out.mutable_source_labels())[of({"app", "v"})] = of({"x", "y"});
    if (one_in(4)) text((*out.mutable_headers())[of({"h", "i"})], of({"x", "xx", "y"}));
    if (one_in(6)) text((*out.mutable_without_headers())[of({"h", "i"})], of({"x", "xx", "y"}));
    if (one_in(6)) text((*out.mutable_query_params())[of({"p", "q"})], of({"x", "", "y"}));
  }
  /// Of some hosts, in several ways of writing, at some gateways, for some namespaces.
  void places(v1::VirtualService& spec, const std::string& ns) {
    std::set<std::string> known;
    for (std::uint32_t n = 1 + below(2); n > 0; --n) {
      const auto host = of({"reviews", "Reviews.Shop.svc.cluster.local", "reviews.shop.svc",
                            "ratings", "*.shop.svc.cluster.local", "*.local", "*.svc.cluster.local",
                            "www.example", "WWW.a.example", "*.example", "*.a.example"});
      if (known.insert(full_name(host, ns)).second) spec.add_hosts(host);
    }
    if (one_in(2)) spec.add_gateways(of({"mesh", "edge", "shop/edge", "other/edge"}));
    if (spec.gateways_size() == 1 && spec.gateways(0) != "mesh" && one_in(3)) {
      if (one_in(2)) spec.add_gateways("mesh");
      if (spec.gateways_size() == 1 && known.insert("*").second) spec.add_hosts("*");
    }
    if (one_in(5)) spec.add_export_to(of({".", "shop", "web", "*"}));
  }
  void action(v1::HTTPRoute& rule) {
    if (one_in(10)) {
      rule.mutable_redirect()->set_uri(of({"", "/there"}));
      rule.mutable_redirect()->set_authority(of({"", "other.example"}));
      if (one_in(2)) rule.mutable_redirect()->set_redirect_code(302);
      return;
    }
    if (one_in(12)) return rule.mutable_direct_response()->set_status(one_in(2) ? 410 : 200);
    const auto count = one_in(2) ? 1 : 1 + below(3);
    for (std::uint32_t i = 0; i < count; ++i) {
      auto& route = *rule.add_route();
      auto& to = *route.mutable_destination();
      to.set_host(of({"reviews", "reviews.shop.svc.cluster.local", "Ratings.shop.svc", "nobody",
                      "reviews.other.svc.cluster.local"}));
      to.set_subset(of({"", "", "v1", "v2", "v9"}));
      if (one_in(3)) to.mutable_port()->set_number(one_in(2) ? 80 : 9090);
      route.set_weight(static_cast<std::int32_t>(i == 0 ? 1 + below(3) : below(4)));
    }
    if (one_in(4)) rule.mutable_rewrite()->set_uri(of({"/x", "/"}));
    if (one_in(6)) rule.mutable_rewrite()->set_authority("inner.example");
    if (one_in(4)) rule.mutable_timeout()->set_seconds(below(9));
  }
  std::shared_ptr<v1::VirtualService> virtual_service(const std::string& name,
                                                      const std::string& ns) {
    auto spec = std::make_shared<v1::VirtualService>();
    places(*spec, ns);
    const auto rules = 1 + below(12);
    for (std::uint32_t i = 0; i < rules; ++i) {
      auto& rule = *spec->add_http();
      rule.set_name(name + std::to_string(i));
      action(rule);
      if (one_in(12)) continue;
      const auto matches = 1 + below(3);
      for (std::uint32_t j = 0; j < matches; ++j) {
        rule.add_match()->set_name("m" + std::to_string(j));
        match(*rule.mutable_match(static_cast<int>(j)));
      }
    }
    return spec;
  }
  /// One object's state: in any namespace, of any age, at times one with a mistake.
  PlainObject object() {
    PlainObject out{.ns = of({"shop", "other"}), .name = of({"a", "b", "c"})};
    out.created = below(2);
    out.refused = one_in(10);
    out.spec = virtual_service(out.ns.substr(0, 1) + out.name, out.ns);
    return out;
  }
  Ask ask() {
    Ask one{.path = path(), .method = of({"GET", "POST"}), .ns = of({"shop", "web", ""})};
    if (one_in(3)) one.path += of({"?p=x", "?q", "?p=y&q=x", "?x"});
    for (std::uint32_t n = below(4); n > 0; --n) {
      one.headers.emplace_back(of({"h", "i"}), of({"x", "xx", "y", ""}));
    }
    if (one_in(2)) one.labels[of({"app", "v"})] = of({"x", "y"});
    if (one_in(3)) one.port = 9090;
    if (one_in(4)) one.scheme = "https";
    one.authority =
        of({"reviews", "www.example", "WWW.Example", "www.example:8080", "x.a.example"});
    one.host = of({"reviews.shop.svc.cluster.local", "REVIEWS.shop.svc.cluster.local",
                   "reviews.shop.svc.cluster.local.", "ratings.shop.svc.cluster.local",
                   "reviews.other.svc.cluster.local"});
    if (one_in(4)) {
      one.gateway = of({"shop/edge", "other/edge"});
      one.host = one.authority;
      one.ns = "";
    }
    return one;
  }

 private:
  Below below_;
};

}  // namespace culvert::l7::test
