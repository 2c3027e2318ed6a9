#include "waypoint/exchange/response.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "culvert/grpc/status.hpp"
#include "culvert/io/loop.hpp"
#include "waypoint/exchange/record.hpp"

namespace culvert::waypoint {
namespace {

/// RFC 9110 section 5.6.7; formatted once a second.
std::string_view http_date() {
  thread_local std::time_t of = 0;
  thread_local std::string text;
  const auto now = std::time(nullptr);
  if (now != of) {
    of = now;
    text = fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}", fmt::gmtime(now));
  }
  return text;
}

/// Where the table has no status: what only gRPC sees, by a status of its own.
constexpr std::uint16_t kGatewayTimeout = 504;

struct Reply {
  std::uint16_t status = 503;
  std::string_view body;
  std::optional<std::uint32_t> grpc_status;  // nullopt: by the HTTP status
  bool by_rule = false;                      // operations of the rule hold
};

/// A gRPC client reads trailers only, where there is no body (gRPC over HTTP/2, "Responses").
void make_grpc_head(Exchange& x, const Reply& reply, http::ResponseHead& head) {
  const auto status = reply.grpc_status.value_or(grpc_status_of(x.record.end, reply.status));
  head.status = 200;
  head.fields.add("content-type", "application/grpc");
  head.fields.add("grpc-status", std::to_string(status));
  if (!reply.body.empty()) head.fields.add("grpc-message", grpc::encode_message(reply.body));
  x.record.grpc_status = static_cast<std::uint16_t>(status);
}

io::Task<> send_reply(Exchange& x, Reply reply, http::ResponseHead& head) {
  std::string_view body = reply.body;
  head.version = x.client.request().version;
  head.fields.set("date", http_date());
  head.fields.set("server", "culvert");
  if (x.grpc) {
    make_grpc_head(x, reply, head);
    body = {};
    head.body = {};
  } else {
    head.status = reply.status;
    if (!body.empty()) head.fields.set("content-type", "text/plain");
    head.body.length = body.size();
    if (x.request.method == "HEAD" || reply.status == 204 || reply.status == 304) body = {};
    head.body.present = !body.empty();
  }
  if (reply.by_rule) {
    finish_response_head(x, head);
  } else {
    for (const auto& one : x.cors_headers) head.fields.set(one.name, one.value);
  }
  x.record.status = head.status;
  x.client.send_head(head, body.empty());
  if (body.empty()) co_return;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(body.data());
  const auto deadline = io::Loop::current().now() + kReplyTimeout;
  auto written = co_await x.client.write_body({bytes, body.size()}, deadline);
  if (written) {
    x.record.sent_bytes += body.size();
    written = co_await x.client.finish({}, deadline);
  }
  if (!written) record_stop(x);
}

http::ResponseHead& fresh_head(Exchange& x) {
  x.memory->reply.clear();
  return x.memory->reply;
}

ExchangeEnd end_of(l7::Decision::Kind kind) {
  using Kind = l7::Decision::Kind;
  if (kind == Kind::kNoCluster) return ExchangeEnd::kNoCluster;
  if (kind == Kind::kRefused) return ExchangeEnd::kConfigRefused;
  return kind == Kind::kNoHost ? ExchangeEnd::kNoHost : ExchangeEnd::kNoRoute;
}

}  // namespace

void apply_operations(const l7::HeaderOperations& operations, const l7::ExchangeView& exchange,
                      http::Fields& fields) {
  using Kind = l7::HeaderOperation::Kind;
  for (const auto& operation : operations) {
    if (operation.kind == Kind::kRemove) {
      fields.remove(operation.name);
      continue;
    }
    const auto value = operation.value.format(exchange);
    if (value.empty()) continue;  // as in l7::apply: what comes to nothing is not done
    if (operation.kind == Kind::kSet) {
      fields.set(operation.name, value);
    } else {
      fields.add(operation.name, value);
    }
  }
}

void finish_response_head(Exchange& x, http::ResponseHead& head) {
  const auto* operations = l7::response_operations(x.decision);
  if (operations != nullptr) apply_operations(*operations, x.speaks_of(), head.fields);
  for (const auto& one : x.cors_headers) head.fields.set(one.name, one.value);
}

bool is_answered_here(const l7::Decision& decision) {
  return decision.kind != l7::Decision::Kind::kForward;
}

io::Task<> answer_by_rule(Exchange& x) {
  using Kind = l7::Decision::Kind;
  const auto kind = x.decision.kind;
  if (kind != Kind::kRedirect && kind != Kind::kDirectResponse) {
    co_await answer_failure(x, end_of(kind));
    co_return;
  }
  auto& head = fresh_head(x);
  Reply reply;
  reply.by_rule = true;
  x.end(kind == Kind::kRedirect ? ExchangeEnd::kRedirect : ExchangeEnd::kDirectResponse);
  if (kind == Kind::kRedirect) {
    reply.status = std::get<l7::Redirect>(x.decision.rule->action).status;
    head.fields.add("location", l7::redirect_location(x.decision, x.request, x.target));
  } else {
    const auto& direct = std::get<l7::DirectResponse>(x.decision.rule->action);
    reply.status = direct.status;
    reply.body = direct.body;
  }
  co_await send_reply(x, reply, head);
}

io::Task<> answer_preflight(Exchange& x) {
  x.end(ExchangeEnd::kCorsPreflight);
  co_await send_reply(x, {200, {}, std::nullopt, false}, fresh_head(x));
}

io::Task<> answer_failure(Exchange& x, ExchangeEnd how) {
  x.end(how);
  auto& head = fresh_head(x);
  if (how == ExchangeEnd::kOverflow) head.fields.add("x-envoy-overloaded", "true");
  const auto status = telemetry::info(how).http_status;
  co_await send_reply(x, {status != 0 ? status : kGatewayTimeout, body_of(how)}, head);
}

io::Task<> answer_fault(Exchange& x, const l7::AbortError& error) {
  x.end(ExchangeEnd::kFaultAborted);
  const auto* body = body_of(ExchangeEnd::kFaultAborted);
  if (const auto* reset = std::get_if<l7::Http2ErrorFault>(&error)) {
    x.client.reset(reset->code);
    co_return;
  }
  auto& head = fresh_head(x);
  if (const auto* http = std::get_if<l7::HttpStatusFault>(&error)) {
    co_await send_reply(x, {http->status, body}, head);
    co_return;
  }
  // To a client that speaks no gRPC Envoy says the HTTP status 200 with the gRPC one beside it.
  const auto status = std::get<l7::GrpcStatusFault>(error).status;
  if (!x.grpc) {
    head.fields.add("grpc-status", std::to_string(status));
    x.record.grpc_status = static_cast<std::uint16_t>(status);
  }
  co_await send_reply(x, {200, body, status}, head);
}

}  // namespace culvert::waypoint
