// Attempt: one try at one endpoint: a connection, the request, the answer passed on. Lives in the
// frame of forward(); may be stopped between any two steps.
#pragma once

#include <memory>
#include <optional>

#include "waypoint/exchange/request_body.hpp"
#include "waypoint/exchange/retry_plan.hpp"
#include "waypoint/exchange/websocket.hpp"
#include "waypoint/upstream/cluster_state.hpp"

namespace culvert::waypoint {

class Attempt final : public Stoppable {
 public:
  enum class End : std::uint8_t {
    kStopped,   // before it ended: the client is away, its body is no good, or time was up
    kAnswered,  // the client has an answer, or a part that was cut short
    kRetry,     // a retry was taken
    kFailed,    // the client gets how()
  };

  Attempt(Exchange& exchange, RequestBody& body, RetryPlan& plan, ClusterState& cluster,
          HostPtr host);
  /// Cancels what is under way upstream.
  ~Attempt() override;

  io::Task<> run() override;
  /// After run() was stopped because time was up: the client is told, or its answer is cut short.
  /// No effect when it has its answer.
  void expire();

  End end() const { return end_; }
  ExchangeEnd how() const { return record_.end; }
  /// The answer was begun, and is not at its end.
  bool answering() const { return answering_; }

 private:
  io::Task<bool> connect(const UpstreamRequest& wanted);
  bool send_request(bool websocket);
  bool judge(const http::ResponseHead& head);
  bool begin_answer(http::ResponseHead& head);
  io::Task<> pass_on(bool tunnel);
  io::Task<bool> pass_body_on(bool tunnel);
  io::Task<Result<Bytes>> read_tunnel();
  void fail(const Error& error, telemetry::AttemptPhase phase, const l7::AttemptResult& result);
  void finish_failed(ExchangeEnd how, const l7::AttemptResult& result);
  void cut_short(const Error& error);
  void cut_idle();
  void tell(telemetry::ExchangeEvent event);
  void took();

  Exchange& x_;
  RequestBody& body_;
  RetryPlan& plan_;
  HostLease lease_;
  Endpoint endpoint_;
  const std::shared_ptr<ClusterQuota> quota_;
  const l7::ConnectionPool& pool_;
  const HttpVersion version_;
  telemetry::AttemptRecord record_;
  std::unique_ptr<ClientExchange> upstream_;
  End end_ = End::kStopped;
  bool answering_ = false;
  WebsocketKey websocket_;
};

}  // namespace culvert::waypoint
