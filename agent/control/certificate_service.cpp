#include "certificate_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "culvert/base/log.hpp"
#include "culvert/xds/certificate_messages.hpp"
#include "peers.hpp"

namespace culvert::control {
namespace {

using grpc::Status;
using grpc::StatusCode;

constexpr std::size_t kMaxShownBytes = 256;  // of what a client says, in messages and logs

}  // namespace

std::expected<CertificateOrder, Status> judge_request(std::string_view request,
                                                      std::string_view peer, const View& view) {
  const auto message = xds::parse_certificate_request(request);
  if (!message)
    return std::unexpected(Status{StatusCode::kInvalidArgument, message.error().to_string()});
  const std::string& identity = message->identity;
  if (message->validity < std::chrono::seconds(0)) {
    return std::unexpected(Status{StatusCode::kInvalidArgument, "validity_duration is negative"});
  }
  if (identity.empty()) {
    return std::unexpected(Status{StatusCode::kPermissionDenied,
                                  "name the pod's identity in metadata ImpersonatedIdentity"});
  }
  const auto own = view.identities.find(peer);
  if (own == view.identities.end() || !own->second.contains(identity)) {
    const char* refused = is_proxy(peer) ? "{} has not the identity {}"
                                         : "no pod of the mesh on {} has the identity {}";
    return std::unexpected(Status{
        StatusCode::kPermissionDenied,
        fmt::format(fmt::runtime(refused), in_words(peer), identity.substr(0, kMaxShownBytes))});
  }
  return CertificateOrder{message->csr_pem, identity, message->validity};
}

io::Task<Status> CertificateService::serve(grpc::ServerCall& call) {
  const auto request = co_await call.read();
  if (!request) co_return call.status();
  const auto order = judge_request(*request, call.peer(), *view_);
  if (!order) {
    log::warn("{}: certificate refused: {}", in_words(call.peer()), order.error().message);
    co_return order.error();
  }
  const bool unasked = order->lifetime == std::chrono::seconds::zero();
  const auto lifetime = unasked ? longest_ : std::min(order->lifetime, longest_);
  const auto chain = authority_.sign(order->csr, order->identity, lifetime);
  if (!chain) {
    log::warn("{}: certificate for {} refused: {}", in_words(call.peer()), order->identity,
              chain.error().to_string());
    const bool ours =
        chain.error().code == ErrorCode::kUnavailable || chain.error().code == ErrorCode::kSystem;
    co_return Status{ours ? StatusCode::kUnavailable : StatusCode::kInvalidArgument,
                     chain.error().to_string()};
  }
  log::info("{}: certificate for {}", in_words(call.peer()), order->identity);
  co_await call.write(xds::serialize_chain(*chain));
  co_return call.status();
}

}  // namespace culvert::control
