// Rules and requests that are drawn: small words, so that they often meet.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "ask.hpp"
#include "plain_reading.hpp"
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
    if (one_in(8)) out.set_source_namespace(of({"shop", "web"}));
    if (one_in(8)) (*out.mutable_source_labels())[of({"app", "v"})] = of({"x", "y"});
    if (one_in(4)) text((*out.mutable_headers())[of({"h", "i"})], of({"x", "xx", "y"}));
    if (one_in(6)) text((*out.mutable_without_headers())[of({"h", "i"})], of({"x", "xx", "y"}));
    if (one_in(6)) text((*out.mutable_query_params())[of({"p", "q"})], of({"x", "", "y"}));
  }
  std::shared_ptr<v1::VirtualService> virtual_service(const std::string& name) {
    auto spec = std::make_shared<v1::VirtualService>();
    spec->add_hosts("reviews");
    const auto rules = 1 + below(12);
    for (std::uint32_t i = 0; i < rules; ++i) {
      auto& rule = *spec->add_http();
      rule.set_name(name + std::to_string(i));
      rule.add_route()->mutable_destination()->set_host("reviews");
      if (one_in(12)) continue;
      const auto matches = 1 + below(3);
      for (std::uint32_t j = 0; j < matches; ++j) {
        rule.add_match()->set_name("m" + std::to_string(j));
        match(*rule.mutable_match(static_cast<int>(j)));
      }
    }
    return spec;
  }
  Ask ask() {
    Ask one{.path = path(), .method = of({"GET", "POST"}), .ns = of({"shop", "web", ""})};
    if (one_in(3)) one.path += of({"?p=x", "?q", "?p=y&q=x", "?x"});
    for (std::uint32_t n = below(4); n > 0; --n) {
      one.headers.emplace_back(of({"h", "i"}), of({"x", "xx", "y", ""}));
    }
    if (one_in(2)) one.labels[of({"app", "v"})] = of({"x", "y"});
    if (one_in(3)) one.port = 9090;
    return one;
  }

 private:
  Below below_;
};

}  // namespace culvert::l7::test
