// Ask: a request with its client and where it arrived, as tests write it; Views: the same as
// decisions take it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "culvert/l7/request.hpp"

namespace culvert::l7::test {

struct Ask {
  std::string path = "/";
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string method = "GET";
  std::string scheme = "http";
  std::string authority = "reviews";
  std::string ns = "shop";
  std::map<std::string, std::string> labels = {};
  std::string gateway = "mesh";
  std::string host = "reviews.shop.svc.cluster.local";
  std::uint16_t port = 80;
};

/// An Ask as the views that decisions take.
struct Views {
  explicit Views(const Ask& ask) : ask_(ask) {
    for (const auto& [name, value] : ask_.headers) fields_.push_back({name, value});
    request = {ask_.method, ask_.scheme, ask_.authority, ask_.path, fields_};
    client = {ask_.ns, &ask_.labels, SocketAddress{*IpAddress::parse("10.0.0.5"), 41000},
              "spiffe://cluster.local/ns/shop/sa/web"};
    target = {ask_.gateway, ask_.host, ask_.port};
  }
  Views(const Views&) = delete;
  Views& operator=(const Views&) = delete;

  RequestView request;
  ClientView client;
  TargetView target;

 private:
  const Ask ask_;
  std::vector<HeaderView> fields_;
};

}  // namespace culvert::l7::test
