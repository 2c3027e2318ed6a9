// A gRPC call through the waypoint's exchange to an upstream of HTTP/2: it ends, whatever the
// caller's fields and the upstream's bytes are; the log is told once, and of messages and status
// what passed; the upstream is given no more time than the caller has. Input: a byte that chooses
// the cut, then at each kTurnEnd: grpc-timeout, content-type, the caller's body, what the upstream
// says.
#include <optional>
#include <string>

#include "culvert/grpc/status.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/l7/compiler.hpp"
#include "peer.hpp"
#include "virtual_service.pb.h"
#include "waypoint/exchange/serve.hpp"
#include "waypoint/http/client.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using fuzz::require;
using fuzz::Turns;
using io::Task;

namespace {

const std::string kHost = "web.shop.svc.cluster.local";
constexpr std::size_t kSections = 4;
constexpr std::size_t kPrefixBytes = 5;
/// What a grpc-status can be in a log; others are UNKNOWN.
constexpr int kUnknown = 2;

std::uint64_t messages_in(std::string_view body) {
  std::uint64_t count = 0;
  while (body.size() >= kPrefixBytes) {
    std::size_t length = 0;
    for (std::size_t i = 1; i < kPrefixBytes; ++i) {
      length = length << 8U | static_cast<std::uint8_t>(body[i]);
    }
    ++count;
    body.remove_prefix(std::min(body.size(), kPrefixBytes + length));
  }
  return count;
}

/// Keeps what it is told.
class Caller final : public ServerExchange {
 public:
  Caller(std::string_view timeout, std::string_view content_type, std::string_view body)
      : body_(body) {
    request_.version = http::Version::kHttp2;
    request_.method = "POST";
    request_.scheme = "http";
    request_.authority = "web";
    request_.path = "/shop.Web/Get";
    request_.body.present = true;
    request_.fields.add("te", "trailers");
    request_.fields.add("grpc-timeout", timeout);  // refused where it is no field's value
    request_.fields.add("content-type", content_type);
  }
  Task<Result<Bytes>> read_body(io::Deadline) override { co_return next(); }
  std::optional<Result<Bytes>> try_read_body() override { return next(); }
  http::Fields& request_trailers() override { return trailers_; }
  void send_informational(const http::ResponseHead& sent) override {
    require(!head && sent.informational(), "informational ones come before the answer");
  }
  void send_head(const http::ResponseHead& sent, bool end) override {
    require(!head, "a call has one answer");
    head = sent;
    whole = end;
  }
  Task<Result<void>> write_body(Bytes bytes, io::Deadline) override {
    require(head && !whole, "a body comes between head and end");
    heard.append(fuzz::text_of(bytes));
    co_return Result<void>();
  }
  Task<Result<void>> finish(const http::Fields& sent, io::Deadline) override {
    require(head && !whole, "an answer ends once");
    trailers = sent;
    whole = true;
    co_return Result<void>();
  }
  void reset(std::uint32_t) override { was_reset = true; }

  /// What the caller takes for the status of the call.
  std::optional<int> status() const {
    for (const auto* fields : {&trailers, &head->fields}) {
      const auto text = fields->find("grpc-status");
      if (!text) continue;
      const bool digits = !text->empty() && text->find_first_not_of("0123456789") == text->npos;
      return digits && text->size() < 5 ? std::stoi(std::string(*text)) : kUnknown;
    }
    return std::nullopt;
  }

  std::optional<http::ResponseHead> head;
  std::string heard;
  http::Fields trailers;
  bool whole = false;
  bool was_reset = false;

 private:
  Bytes next() {
    const auto part = body_.substr(0, 16);
    body_.remove_prefix(part.size());
    return {reinterpret_cast<const std::uint8_t*>(part.data()), part.size()};
  }
  std::string_view body_;
  http::Fields trailers_;
};

/// One connection to the upstream, which keeps the head that it was sent.
class Upstream final : public UpstreamConnections, private ClientConnection::Owner {
 public:
  Upstream(std::span<const std::uint8_t> says, std::size_t part)
      : connection_(ClientConnection::make(
            HttpVersion::kHttp2,
            std::make_unique<fuzz::Peer>(fuzz::Says{says}, false, part, Turns::kBetween, written_),
            {}, *this)) {
    scope_.spawn([](ClientConnection* one) -> Task<> { co_await one->run(); }, connection_.get());
  }
  Task<Result<std::unique_ptr<ClientExchange>>> open(const UpstreamRequest&,
                                                     io::Deadline) override {
    if (!connection_->can_open()) co_return fail(ErrorCode::kRefused, "fuzz", Origin::kUpstream);
    co_return std::make_unique<Watched>(connection_->open(), sent);
  }
  void retire(const Endpoint&) override {}
  Task<> close() {
    connection_->retire();
    co_await scope_.join();
  }

  std::optional<http::RequestHead> sent;

 private:
  class Watched final : public ClientExchange {
   public:
    Watched(std::unique_ptr<ClientExchange> real, std::optional<http::RequestHead>& sent)
        : real_(std::move(real)), sent_(sent) {}
    Result<void> send_head(const http::RequestHead& head, bool end) override {
      require(!sent_, "what is not to be tried again is sent once");
      sent_ = head;
      return real_->send_head(head, end);
    }
    [[clang::coro_wrapper]] Task<Result<void>> write_body(Bytes b, io::Deadline d) override {
      return real_->write_body(b, d);
    }
    [[clang::coro_wrapper]] Task<Result<void>> finish(const http::Fields& trailers,
                                                      io::Deadline deadline) override {
      return real_->finish(trailers, deadline);
    }
    std::optional<Result<void>> try_send_rest(Bytes rest, const http::Fields& trailers) override {
      return real_->try_send_rest(rest, trailers);
    }
    [[clang::coro_wrapper]] Task<Result<http::ResponseHead*>> read_head(io::Deadline d) override {
      return real_->read_head(d);
    }
    [[clang::coro_wrapper]] Task<Result<Bytes>> read_body(io::Deadline d) override {
      return real_->read_body(d);
    }
    std::optional<Result<Bytes>> try_read_body() override { return real_->try_read_body(); }
    http::Fields& trailers() override { return real_->trailers(); }
    bool request_sent() const override { return real_->request_sent(); }

   private:
    std::unique_ptr<ClientExchange> real_;
    std::optional<http::RequestHead>& sent_;
  };
  void connection_changed(ClientConnection&) override {}

  std::string written_;
  std::unique_ptr<ClientConnection> connection_;
  io::Scope scope_;
};

struct Log final : ExchangeLog {
  void ended(const telemetry::ExchangeRecord& record) override {
    require(!told, "the log is told once");
    told = record;
  }
  std::optional<telemetry::ExchangeRecord> told;
};

/// A service with one pod; its calls are not tried again.
ViewPtr make_view() {
  mesh::Service service;
  service.ns = "shop";
  service.name = "web";
  service.hostname = kHost;
  service.ports = {{80, 8080, mesh::AppProtocol::kGrpc}};
  l7::Compiler compiler({"cluster.local", "istio-system", "shop"});
  compiler.put(std::make_shared<const mesh::Service>(service));
  auto spec = std::make_shared<istio::networking::v1alpha3::VirtualService>();
  spec->add_hosts("web");
  auto& rule = *spec->add_http();
  rule.add_route()->mutable_destination()->set_host("web");
  rule.mutable_retries()->set_attempts(0);
  compiler.put(l7::VirtualServiceObject{"shop", "web", 1, spec});
  mesh::Workload pod;
  pod.uid = "Kubernetes//Pod/shop/web-1";
  pod.name = "web-1";
  pod.ns = "shop";
  pod.addresses = {IpAddress::v4(10, 0, 0, 1)};
  pod.services["shop/" + kHost] = {{80, 8080}};
  mesh::Delta delta;
  delta.workloads.push_back(std::move(pod));
  delta.services.push_back(std::move(service));
  auto view = std::make_shared<View>();
  view->mesh = apply(mesh::Snapshot(), std::move(delta));
  view->routes = compiler.compile();
  return view;
}

void check_told(const telemetry::ExchangeRecord& told, const Caller& caller) {
  require(told.status == (caller.head ? caller.head->status : 0), "the log has what was sent");
  require(told.sent_bytes == caller.heard.size(), "and how much");
  require(caller.whole || caller.was_reset || !caller.head ||
              told.end != telemetry::ExchangeEnd::kAnswered,
          "an answer that broke off is not called whole");
  if (!told.grpc || !caller.head) return;
  require(told.response_messages.count() == messages_in(caller.heard), "messages are counted");
  if (!caller.whole) return;
  require(told.grpc_status == caller.status(), "the log has the status that the caller reads");
  if (told.end != telemetry::ExchangeEnd::kAnswered) {
    require(caller.status().has_value(), "our own answer to gRPC is gRPC's");
  }
}

void check_time(std::string_view asked, bool is_call, const Upstream& upstream) {
  const auto given = grpc::parse_timeout(asked);
  if (!is_call || !given || !upstream.sent) return;
  const auto told = upstream.sent->fields.find("grpc-timeout");
  const auto most = grpc::parse_timeout(grpc::format_timeout(*given));
  require(told && grpc::parse_timeout(*told) && *grpc::parse_timeout(*told) <= *most,
          "the upstream is given no more time than the caller has");
}

Task<> check(io::Loop* loop, std::span<const std::uint8_t> input, std::size_t part) {
  static const ViewPtr view = make_view();
  auto sections = fuzz::split(input, kSections);
  sections.resize(kSections);
  const auto timeout = fuzz::text_of(sections[0]);
  Caller caller(timeout, fuzz::text_of(sections[1]), fuzz::text_of(sections[2]));
  const bool timeout_taken = caller.request().fields.find("grpc-timeout").has_value();
  Upstream upstream(sections[3], part);
  Log log;
  proxy::Parties parties;
  const ExchangeSettings settings;
  ExchangeContext context(settings, upstream, log, parties, 1);
  context.take_view(view);
  Arrival arrival;
  arrival.gateway = l7::kMesh;
  arrival.client.identity = mesh::Identity{"cluster.local", "shop", "client"};
  arrival.client.address = *SocketAddress::parse("10.0.0.9:40000");
  arrival.service = view->mesh->service("shop/" + kHost);
  arrival.destination = *SocketAddress::parse("10.96.0.1:80");
  co_await serve_exchange(&context, &arrival, &caller);
  co_await context.close();
  co_await upstream.close();
  require(log.told.has_value(), "the log is told");
  require(context.counts.kept_bytes == 0, "nothing of a call is kept");
  check_told(*log.told, caller);
  check_time(timeout, timeout_taken && log.told->grpc, upstream);
  loop->stop();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run_script(data, size, check);
}
