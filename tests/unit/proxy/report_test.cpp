// What a connection that fails leaves in its line and its series.
#include <doctest/doctest.h>

#include <cerrno>

#include "carried.hpp"

using namespace culvert;
using namespace culvert::proxy;
using namespace culvert::proxy::testing;
using telemetry::ResponseFlag;

namespace {

/// Of a connection whose record has `before`, as a waypoint's TCP to a server that was not reached.
std::string flag_of(const Error& error, ResponseFlag before) {
  Telemetry telemetry;
  Report report(*telemetry.reporter, telemetry::Direction::kWaypoint);
  report.record.flag = before;
  report.fail(error);
  return telemetry::to_string(report.record.flag);
}

}  // namespace

TEST_CASE("a failure that has a flag of its own has it at a waypoint, too") {
  const auto failed = [](ErrorCode code, int sys_errno = 0) {
    return flag_of({code, Origin::kUpstream, sys_errno, "dial"}, ResponseFlag::kUpstreamFailure);
  };
  CHECK(failed(ErrorCode::kTls, EKEYREVOKED) == "CERT_REVOKED");
  CHECK(failed(ErrorCode::kDenied) == "DENY");
  CHECK(failed(ErrorCode::kTls) == "TLS_FAILURE");
  CHECK(failed(ErrorCode::kIdentity) == "TLS_FAILURE");
  CHECK(failed(ErrorCode::kNoCertificate) == "IDENTITY_ERROR");
  CHECK(failed(ErrorCode::kProtocol) == "H2_HANDSHAKE_FAILURE");
}

TEST_CASE("what CONNECT would say, a waypoint says in the words of requests") {
  const auto failed = [](ErrorCode code, ResponseFlag before) {
    return flag_of({code, Origin::kUpstream, 0, "dial"}, before);
  };
  CHECK(failed(ErrorCode::kRefused, ResponseFlag::kUpstreamFailure) == "UF");
  CHECK(failed(ErrorCode::kClosed, ResponseFlag::kUpstreamFailure) == "UF");
  CHECK(failed(ErrorCode::kLimit, ResponseFlag::kUpstreamOverflow) == "UO");
  CHECK(failed(ErrorCode::kNoUpstream, ResponseFlag::kNoHealthyUpstream) == "UH");
  CHECK(failed(ErrorCode::kNoUpstream, ResponseFlag::kConfigRefused) == "CR");
  CHECK(failed(ErrorCode::kRefused, ResponseFlag::kNone) == "CONNECT");
  CHECK(failed(ErrorCode::kClosed, ResponseFlag::kNone) == "-");
}
