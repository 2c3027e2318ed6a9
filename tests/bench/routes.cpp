// What a decision costs with many routes on one host, and a change among many: figures for
// docs/decisions/0091-routes.md. Prints a table; asserts nothing about speed.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "culvert/l7/choose_route.hpp"
#include "culvert/l7/compiler.hpp"
#include "virtual_service.pb.h"

using namespace culvert::l7;
namespace mesh = culvert::mesh;
namespace v1 = istio::networking::v1alpha3;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kHost = "web.shop.svc.cluster.local";
constexpr int kRequests = 200'000;
const int kSizes[] = {1, 10, 100, 1000};

enum class Shape { kExact, kPrefix, kPattern, kHeader };
constexpr const char* kNames[] = {"exact paths", "prefixes", "patterns", "one header each"};

mesh::ServicePtr service(const std::string& name) {
  auto made = std::make_shared<mesh::Service>();
  made->ns = "shop";
  made->name = name;
  made->hostname = name + ".shop.svc.cluster.local";
  made->ports.push_back({80, 8080, mesh::AppProtocol::kHttp11});
  return made;
}

void add_rule(v1::VirtualService& spec, Shape shape, int i) {
  auto& rule = *spec.add_http();
  rule.add_route()->mutable_destination()->set_host("web");
  auto& match = *rule.add_match();
  const auto path = fmt::format("/api/v1/resource-{}", i);
  if (shape == Shape::kExact) match.mutable_uri()->set_exact(path);
  if (shape == Shape::kPrefix) match.mutable_uri()->set_prefix(path + "/");
  if (shape == Shape::kPattern) match.mutable_uri()->set_regex(path + "/[a-z]+");
  if (shape == Shape::kHeader) (*match.mutable_headers())["x-user"].set_exact(std::to_string(i));
}

double microseconds(Clock::duration spent, int times) {
  return std::chrono::duration<double, std::micro>(spent).count() / times;
}

/// Microseconds a decision whose rule is the last of `count`.
double decide(Shape shape, int count) {
  Compiler compiler({"cluster.local", "istio-system", "shop"});
  compiler.put(service("web"));
  auto spec = std::make_shared<v1::VirtualService>();
  spec->add_hosts("web");
  for (int i = 0; i < count; ++i) add_rule(*spec, shape, i);
  compiler.put(VirtualServiceObject{"shop", "web", 1, spec});
  const auto table = compiler.compile();
  const auto user = std::to_string(count - 1);
  const auto path =
      fmt::format("/api/v1/resource-{}{}?a=b", user, shape == Shape::kExact ? "" : "/x");
  const HeaderView headers[] = {{"user-agent", "bench"},
                                {"accept", "*/*"},
                                {"x-user", user},
                                {"x-request-id", "b5ff2b6f-0000-4000-8000-000000000000"}};
  const RequestView request{"GET", "http", "web", path, headers};
  const ClientView client{.ns = "shop"};
  const TargetView target{kMesh, kHost, 80};
  Random random(1);
  const auto start = Clock::now();
  for (int i = 0; i < kRequests; ++i) {
    const auto decision = choose_route(*table, target, request, client, random);
    if (decision.kind != Decision::Kind::kForward) std::abort();
  }
  return microseconds(Clock::now() - start, kRequests);
}

/// Milliseconds to the next table when one of 1,000 objects changes; `one_host`: all speak of one.
double change(bool one_host) {
  Compiler compiler({"cluster.local", "istio-system", "shop"});
  const auto put = [&](int i, Shape shape) {
    const auto name = one_host ? "web" : fmt::format("web{}", i);
    auto spec = std::make_shared<v1::VirtualService>();
    spec->add_hosts(name);
    add_rule(*spec, shape, i);
    compiler.put(VirtualServiceObject{"shop", fmt::format("vs{}", i), i, spec});
  };
  compiler.put(service("web"));
  for (int i = 0; i < 1000; ++i) {
    if (!one_host) compiler.put(service(fmt::format("web{}", i)));
    put(i, Shape::kPattern);
  }
  compiler.compile();
  constexpr int kChanges = 20;
  const auto start = Clock::now();
  for (int i = 0; i < kChanges; ++i) {
    put(i, Shape::kExact);
    compiler.compile();
  }
  return microseconds(Clock::now() - start, kChanges) / 1000;
}

}  // namespace

int main() {
  fmt::print("microseconds a decision, for the last of N rules on one host\n{:<18}", "");
  for (const int size : kSizes) fmt::print("{:>9}", size);
  fmt::print("\n");
  for (int shape = 0; shape < 4; ++shape) {
    fmt::print("{:<18}", kNames[shape]);
    for (const int size : kSizes) fmt::print("{:>9.2f}", decide(static_cast<Shape>(shape), size));
    fmt::print("\n");
  }
  fmt::print(
      "milliseconds for a change of 1 object among 1,000: {:.2f} on hosts of their own, {:.2f} on "
      "one\n",
      change(false), change(true));
}
