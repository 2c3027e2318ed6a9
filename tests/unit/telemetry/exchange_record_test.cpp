// What is said of one HTTP request: the table of ends, flags, and gRPC messages.
#include "culvert/telemetry/exchange_record.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace culvert;
using namespace culvert::telemetry;

namespace {

std::vector<std::uint8_t> message(std::uint32_t length) {
  std::vector<std::uint8_t> out{0};
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(length >> shift));
  out.resize(out.size() + length, 0xff);
  return out;
}

}  // namespace

TEST_CASE("each end has a name of its own, and details") {
  std::set<std::string> names;
  for (int i = 0; i < kExchangeEndCount; ++i) {
    const auto& row = info(static_cast<ExchangeEnd>(i));
    REQUIRE(row.name != nullptr);
    REQUIRE(row.details != nullptr);
    CHECK(std::string(row.details).find_first_of(" \"\n") == std::string::npos);
    CHECK(names.insert(row.name).second);
    CHECK((row.http_status == 0 || (row.http_status >= 200 && row.http_status < 600)));
  }
}

TEST_CASE("the ends that people know by Envoy's flags have them") {
  const auto flag = [](ExchangeEnd end) {
    ExchangeRecord record;
    record.end = end;
    return record.all_flags().to_string();
  };
  CHECK(flag(ExchangeEnd::kAnswered) == "-");
  CHECK(flag(ExchangeEnd::kNoRoute) == "NR");
  CHECK(flag(ExchangeEnd::kNoHost) == "NR");
  CHECK(flag(ExchangeEnd::kNoCluster) == "NC");
  CHECK(flag(ExchangeEnd::kConfigRefused) == "CR");
  CHECK(flag(ExchangeEnd::kNoHealthyUpstream) == "UH");
  CHECK(flag(ExchangeEnd::kOverflow) == "UO");
  CHECK(flag(ExchangeEnd::kConnectFailed) == "UF");
  CHECK(flag(ExchangeEnd::kConnectTimeout) == "UF");
  CHECK(flag(ExchangeEnd::kUpstreamReset) == "UR");
  CHECK(flag(ExchangeEnd::kUpstreamClosed) == "UC");
  CHECK(flag(ExchangeEnd::kUpstreamProtocol) == "UPE");
  CHECK(flag(ExchangeEnd::kTimeout) == "UT");
  CHECK(flag(ExchangeEnd::kTryTimeout) == "UT");
  CHECK(flag(ExchangeEnd::kFaultAborted) == "FI");
  CHECK(flag(ExchangeEnd::kClientGone) == "DC");
  CHECK(flag(ExchangeEnd::kClientReset) == "DR");
  CHECK(flag(ExchangeEnd::kClientProtocol) == "DPE");
  CHECK(flag(ExchangeEnd::kRateLimited) == "RL");
  CHECK(flag(ExchangeEnd::kIdleTimeout) == "SI");
  CHECK(flag(ExchangeEnd::kLocalReset) == "LR");
  CHECK(flag(ExchangeEnd::kOverload) == "OM");
  CHECK(flag(ExchangeEnd::kDenied) == "UAEX");
}

TEST_CASE("flags add up, in one order, and details are the end's own unless more is known") {
  ExchangeRecord record;
  record.end = ExchangeEnd::kConnectFailed;
  record.flags.set(ExchangeFlag::kDelayInjected);
  record.flags.set(ExchangeFlag::kRetriesExceeded);
  CHECK(record.all_flags().to_string() == "UF,URX,DI");
  CHECK(record.code_details() ==
        "upstream_reset_before_response_started{remote_connection_failure}");
  record.details = "http1.bad_chunk";
  CHECK(record.code_details() == "http1.bad_chunk");
}

TEST_CASE("an upstream's failure is told by where the attempt was") {
  const auto end = [](ErrorCode code, AttemptPhase phase) {
    return end_of(Error{code, Origin::kUpstream, 0, ""}, phase);
  };
  using enum AttemptPhase;
  CHECK(end(ErrorCode::kRefused, kConnect) == ExchangeEnd::kConnectFailed);
  CHECK(end(ErrorCode::kTimeout, kConnect) == ExchangeEnd::kConnectTimeout);
  CHECK(end(ErrorCode::kIdentity, kConnect) == ExchangeEnd::kConnectFailed);
  CHECK(end(ErrorCode::kLimit, kConnect) == ExchangeEnd::kOverflow);
  CHECK(end(ErrorCode::kNoUpstream, kConnect) == ExchangeEnd::kNoHealthyUpstream);
  CHECK(end(ErrorCode::kRefused, kRequest) == ExchangeEnd::kUpstreamRefused);
  CHECK(end(ErrorCode::kTimeout, kRequest) == ExchangeEnd::kTryTimeout);
  CHECK(end(ErrorCode::kReset, kRequest) == ExchangeEnd::kUpstreamReset);
  CHECK(end(ErrorCode::kClosed, kRequest) == ExchangeEnd::kUpstreamClosed);
  CHECK(end(ErrorCode::kProtocol, kRequest) == ExchangeEnd::kUpstreamProtocol);
  CHECK(end(ErrorCode::kReset, kResponse) == ExchangeEnd::kUpstreamCut);
  CHECK(end(ErrorCode::kTimeout, kResponse) == ExchangeEnd::kTimeout);
  CHECK(end(ErrorCode::kClosed, kResponse) == ExchangeEnd::kUpstreamLost);
  CHECK(end(ErrorCode::kProtocol, kResponse) == ExchangeEnd::kUpstreamBroken);
  CHECK(end_of_client(Error{ErrorCode::kCancelled, Origin::kClient, 0, ""}) ==
        ExchangeEnd::kClientGone);
  CHECK(end_of_client(Error{ErrorCode::kProtocol, Origin::kClient, 0, ""}) ==
        ExchangeEnd::kClientProtocol);
}

TEST_CASE("gRPC messages count once each, however the bytes are cut") {
  std::vector<std::uint8_t> body;
  for (const std::uint32_t length : {0U, 1U, 300U, 0U, 70000U}) {
    const auto one = message(length);
    body.insert(body.end(), one.begin(), one.end());
  }
  for (const std::size_t step :
       {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{4096}, body.size()}) {
    GrpcMessages counter;
    for (std::size_t at = 0; at < body.size(); at += step) {
      counter.feed(std::span(body).subspan(at, std::min(step, body.size() - at)));
    }
    CHECK(counter.count() == 5);
  }
  GrpcMessages begun;
  begun.feed(std::span(body).first(4));
  CHECK(begun.count() == 0);
}

TEST_CASE("attempts are all counted, and kept up to the bound") {
  ExchangeRecord record;
  for (std::size_t i = 0; i < kMaxAttemptRecords + 5; ++i) record.add_attempt({.status = 503});
  CHECK(record.attempts == kMaxAttemptRecords + 5);
  CHECK(record.attempt_list.size() == kMaxAttemptRecords);
}
