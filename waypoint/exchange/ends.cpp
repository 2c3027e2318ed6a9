#include "waypoint/exchange/ends.hpp"

#include <array>

namespace culvert::waypoint {

const char* body_of(ExchangeEnd end) {
#define RESET "upstream connect error or disconnect/reset before headers. reset reason: "
  switch (end) {
    case ExchangeEnd::kFaultAborted:
      return "fault filter abort";
    case ExchangeEnd::kConfigRefused:
      return "the routes of this host were refused";
    case ExchangeEnd::kWaypointLoop:
      return "the request has passed too many waypoints";
    case ExchangeEnd::kNoHealthyUpstream:
      return "no healthy upstream";
    case ExchangeEnd::kOverflow:
      return RESET "overflow";
    case ExchangeEnd::kConnectFailed:
      return RESET "remote connection failure";
    case ExchangeEnd::kConnectTimeout:
      return RESET "connection timeout";
    case ExchangeEnd::kUpstreamRefused:
      return RESET "remote refused stream reset";
    case ExchangeEnd::kUpstreamReset:
      return RESET "remote reset";
    case ExchangeEnd::kUpstreamClosed:
      return RESET "connection termination";
    case ExchangeEnd::kUpstreamProtocol:
      return RESET "protocol error";
    case ExchangeEnd::kTimeout:
    case ExchangeEnd::kTryTimeout:
      return "upstream request timeout";
    case ExchangeEnd::kMaxDuration:
      return "upstream max stream duration reached";
    default:
      return "";
  }
#undef RESET
}

std::uint32_t grpc_status_of(ExchangeEnd end, std::uint16_t http_status) {
  if (end == ExchangeEnd::kMaxDuration) return 4;
  // As Envoy: a 200 of ours is no answer that a gRPC client could take for its server's.
  switch (http_status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

std::uint16_t http_status_of(std::uint32_t grpc_status) {
  constexpr std::array<std::uint16_t, 17> kByStatus{200, 499, 500, 400, 504, 404, 409, 403, 429,
                                                    400, 409, 400, 501, 500, 503, 500, 401};
  return grpc_status < kByStatus.size() ? kByStatus[grpc_status] : 500;
}

}  // namespace culvert::waypoint
