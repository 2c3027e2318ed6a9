// What a request costs between its connections: figures for docs/decisions/0103-exchanges.md.
// Client and upstream are in memory and answer at once. Prints a table; asserts nothing about
// speed.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "culvert/io/loop.hpp"
#include "culvert/l7/compiler.hpp"
#include "virtual_service.pb.h"
#include "waypoint/exchange/serve.hpp"

using namespace culvert;
using namespace culvert::waypoint;
namespace v1 = istio::networking::v1alpha3;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int kRequests = 300'000;
constexpr std::string_view kBody =
    "one hundred bytes of a body, or nearly so: enough for what most of the services say in a "
    "reply";
const std::string kHost = "web.shop.svc.cluster.local";

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class Asking final : public ServerExchange {
 public:
  void fill(bool post, bool grpc) {
    request_.clear();
    request_.method = post ? "POST" : "GET";
    request_.scheme = "http";
    request_.authority = "web";
    request_.path = "/api/v1/resource-7?a=b";
    request_.version = grpc ? http::Version::kHttp2 : http::Version::kHttp11;
    request_.body = {post, kBody.size()};
    auto& fields = request_.fields;
    fields.add("user-agent", "bench/1.0");
    fields.add("accept", "*/*");
    fields.add("x-user", "jason");
    fields.add("x-forwarded-proto", "http");
    fields.add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    fields.add("content-type", grpc ? "application/grpc" : "application/json");
    left_ = post ? kBody : std::string_view();
  }
  io::Task<Result<Bytes>> read_body(io::Deadline) override {
    co_return bytes_of(std::exchange(left_, {}));
  }
  std::optional<Result<Bytes>> try_read_body() override {
    return bytes_of(std::exchange(left_, {}));
  }
  http::Fields& request_trailers() override { return trailers_; }
  void send_informational(const http::ResponseHead&) override {}
  void send_head(const http::ResponseHead& head, bool) override {
    if (head.status != 200) std::abort();
  }
  io::Task<Result<void>> write_body(Bytes, io::Deadline) override { co_return Result<void>(); }
  io::Task<Result<void>> finish(const http::Fields&, io::Deadline) override {
    co_return Result<void>();
  }
  void reset(std::uint32_t) override { std::abort(); }

 private:
  http::Fields trailers_;
  std::string_view left_;
};

class Answering final : public ClientExchange {
 public:
  Result<void> send_head(const http::RequestHead&, bool) override { return {}; }
  io::Task<Result<void>> write_body(Bytes, io::Deadline) override { co_return Result<void>(); }
  io::Task<Result<void>> finish(const http::Fields&, io::Deadline) override {
    co_return Result<void>();
  }
  io::Task<Result<http::ResponseHead*>> read_head(io::Deadline) override {
    head_.status = 200;
    head_.body = {true, kBody.size()};
    head_.fields.add("content-type", "text/plain");
    head_.fields.add("date", "Sat, 01 Jan 2000 00:00:00 GMT");
    co_return &head_;
  }
  io::Task<Result<Bytes>> read_body(io::Deadline) override {
    co_return bytes_of(std::exchange(left_, {}));
  }
  std::optional<Result<Bytes>> try_read_body() override { return std::nullopt; }
  http::Fields& trailers() override { return trailers_; }
  bool request_sent() const override { return true; }

 private:
  http::ResponseHead head_;
  http::Fields trailers_;
  std::string_view left_ = kBody;
};

class AtOnce final : public UpstreamConnections {
 public:
  io::Task<Result<std::unique_ptr<ClientExchange>>> open(const UpstreamRequest&,
                                                         io::Deadline) override {
    co_return std::make_unique<Answering>();
  }
  void retire(const Endpoint&) override {}
};

class Silent final : public ExchangeLog {
  void ended(const telemetry::ExchangeRecord&) override {}
};

ViewPtr make_view(bool rules) {
  mesh::Service service;
  service.ns = "shop";
  service.name = "web";
  service.hostname = kHost;
  service.ports = {{80, 8080, mesh::AppProtocol::kHttp11}};
  l7::Compiler compiler({"cluster.local", "istio-system", "shop"});
  compiler.put(std::make_shared<const mesh::Service>(service));
  auto spec = std::make_shared<v1::VirtualService>();
  spec->add_hosts("web");
  auto& rule = *spec->add_http();
  (*rule.add_match()->mutable_headers())["x-user"].set_exact("jason");
  rule.add_route()->mutable_destination()->set_host("web");
  (*rule.mutable_headers()->mutable_request()->mutable_set())["x-rule"] = "jason";
  rule.mutable_timeout()->set_seconds(5);
  if (rules) compiler.put(l7::VirtualServiceObject{"shop", "web", 1, spec});
  mesh::Delta delta;
  for (std::uint8_t i = 1; i <= 3; ++i) {
    mesh::Workload pod;
    pod.uid = fmt::format("Kubernetes//Pod/shop/web-{}", i);
    pod.name = fmt::format("web-{}", i);
    pod.ns = "shop";
    pod.addresses = {IpAddress::v4(10, 0, 0, i)};
    pod.services["shop/" + kHost] = {{80, 8080}};
    delta.workloads.push_back(std::move(pod));
  }
  delta.services.push_back(std::move(service));
  auto view = std::make_shared<View>();
  view->mesh = apply(mesh::Snapshot(), std::move(delta));
  view->routes = compiler.compile();
  return view;
}

struct Case {
  const char* name;
  bool post, grpc, rules, serve;
};

io::Task<> measure(Case what, ExchangeContext* context, const Arrival* arrival) {
  Asking client;
  const auto start = Clock::now();
  for (int i = 0; i < kRequests; ++i) {
    client.fill(what.post, what.grpc);
    if (what.serve) co_await serve_exchange(context, arrival, &client);
  }
  const std::chrono::duration<double, std::micro> spent = Clock::now() - start;
  fmt::print("| {} | {:.2f} |\n", what.name, spent.count() / kRequests);
}

io::Task<> measure_all(io::Loop* loop) {
  AtOnce connections;
  Silent log;
  proxy::Parties parties;
  const ExchangeSettings settings{.identity = "spiffe://cluster.local/ns/shop/sa/waypoint"};
  for (const Case what :
       {Case{"(the request's head alone)", false, false, false, false},
        Case{"GET, no rules", false, false, false, true},
        Case{"GET, a rule with a header and a timeout", false, false, true, true},
        Case{"POST", true, false, true, true}, Case{"gRPC, unary", true, true, true, true}}) {
    ExchangeContext context(settings, connections, log, parties, 1);
    const auto view = make_view(what.rules);
    context.take_view(view);
    Arrival arrival;
    arrival.gateway = l7::kMesh;
    arrival.client.identity = mesh::Identity{"cluster.local", "shop", "client"};
    arrival.client.address = *SocketAddress::parse("10.0.0.9:40000");
    arrival.service = view->mesh->service("shop/" + kHost);
    arrival.destination = *SocketAddress::parse("10.96.0.1:80");
    co_await measure(what, &context, &arrival);
    co_await context.close();
  }
  loop->stop();
}

}  // namespace

int main() {
  auto loop = io::Loop::create();
  if (!loop) return EXIT_FAILURE;
  auto* raw = loop->get();
  raw->post([raw] { raw->root().spawn(measure_all, raw); });
  fmt::print("| one request | microseconds |\n|---|---|\n");
  raw->run();
  return EXIT_SUCCESS;
}
