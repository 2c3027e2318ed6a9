// Exchange: what is known of one request while it is served. Lives in the frame of
// serve_exchange(), whose steps read and fill it in; one fiber at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "culvert/io/deadline.hpp"
#include "culvert/l7/apply.hpp"
#include "culvert/l7/choose_route.hpp"
#include "waypoint/exchange/context.hpp"
#include "waypoint/exchange/times.hpp"
#include "waypoint/http/exchange.hpp"

namespace culvert::waypoint {

/// What an exchange fills anew and need not allocate anew.
struct ExchangeMemory {
  http::RequestHead outgoing;                 // what upstream is sent
  http::ResponseHead reply;                   // of ours
  std::vector<l7::HeaderView> headers;        // of the request
  std::optional<mesh::Identity> identity_of;  // who `identity` says
  std::string identity;                       // the client's
  std::string scratch;
  std::string body;  // of the request, kept
  telemetry::ExchangeRecord record;
};

/// What a trusted caller, or any gRPC client, says of how its request is to be treated.
struct CallerWishes {
  std::optional<std::chrono::milliseconds> timeout;  // x-envoy-upstream-rq-timeout-ms; 0: none
  std::optional<std::chrono::milliseconds> per_try;  // x-envoy-upstream-rq-per-try-timeout-ms
  l7::RetryWishes retries;
  std::optional<std::chrono::nanoseconds> grpc_timeout;
};

struct Exchange {
  Exchange(ExchangeContext& context, const Arrival& arrival, ServerExchange& client);
  /// Tells the log.
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  l7::ExchangeView speaks_of() const { return {request, asker, decision.route_name}; }
  void end(ExchangeEnd how) { record.end = how; }

  ExchangeContext& context;
  const Arrival& arrival;
  ServerExchange& client;
  const ViewPtr view;
  std::unique_ptr<ExchangeMemory> memory;

  // By receive_request(), and not changed after it.
  l7::RequestView request;
  l7::ClientView asker;
  l7::TargetView target;
  /// Of arrival.workload, when that was addressed and gets the request; 0: the cluster's hosts do.
  std::uint16_t only_port = 0;
  bool grpc = false;
  /// That the request has passed before this one.
  std::uint32_t waypoints_before = 0;
  CallerWishes wishes;

  l7::Decision decision;
  std::vector<l7::Header> cors_headers;  // for the response, whoever gives it
  Times times;
  ClusterStatePtr cluster;
  const io::Deadline began;
  telemetry::ExchangeRecord& record;  // in memory
};

}  // namespace culvert::waypoint
