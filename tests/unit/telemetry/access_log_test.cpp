#include "culvert/telemetry/access_log.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sample_record.hpp"

using namespace culvert;
using namespace culvert::telemetry;
using namespace culvert::test;

TEST_CASE("a complete connection has the keys of Istio's access log in their order") {
  CHECK(access_text(AccessEvent::kComplete, sample_record()) ==
        "connection complete src.addr=10.0.0.5:41000 src.workload=\"web-0\" src.namespace=\"shop\" "
        "src.identity=\"spiffe://cluster.local/ns/shop/sa/web\" src.cluster=\"Kubernetes\" "
        "dst.addr=[fd00::7]:15008 dst.hbone_addr=[fd00::7]:5432 "
        "dst.service=\"db.data.svc.cluster.local\" dst.workload=\"db-0\" dst.namespace=\"data\" "
        "dst.identity=\"spiffe://cluster.local/ns/data/sa/db\" dst.cluster=\"Kubernetes\" "
        "direction=\"inbound\" bytes_sent=12 bytes_recv=34 duration=\"5ms\"");
  CHECK(access_level(AccessEvent::kComplete, sample_record()) == log::Level::kInfo);
}

TEST_CASE("the waypoint that speaks for the source is named beside it") {
  auto record = sample_record();
  set(record.via, &Party::pod, "wp-0");
  set(record.via, &Party::identity, "spiffe://cluster.local/ns/shop/sa/wp");
  const auto line = access_text(AccessEvent::kComplete, record);
  CHECK(line.find(" via.workload=\"wp-0\" via.identity=\"spiffe://cluster.local/ns/shop/sa/wp\" "
                  "dst.addr=") != std::string::npos);
}

TEST_CASE("a refusal names its reason and its policy") {
  auto record = sample_record();
  record.outcome = Outcome{"denied by policy", "data/only-api"};
  const auto line = access_text(AccessEvent::kComplete, record);
  CHECK(line.ends_with("error=\"denied by policy\" policy=\"data/only-api\""));
  CHECK(access_level(AccessEvent::kComplete, record) == log::Level::kError);
}

TEST_CASE("a waypoint's line has the flag of what failed, and a ztunnel's never") {
  auto record = sample_record();
  record.outcome = Outcome{"no healthy upstream", ""};
  record.flag = ResponseFlag::kUpstreamOverflow;
  const std::string key = "response_flags";
  CHECK(access_text(AccessEvent::kComplete, record).find(key) == std::string::npos);
  record.direction = Direction::kWaypoint;
  CHECK(access_text(AccessEvent::kComplete, record).find(" " + key + "=\"UO\" error=") !=
        std::string::npos);
  CHECK(nlohmann::json::parse(access_json(AccessEvent::kFailed, record, {}))[key] == "UO");
  record.flag = ResponseFlag::kNone;
  CHECK(access_text(AccessEvent::kComplete, record).find(key) == std::string::npos);
}

TEST_CASE("what is unknown is left out, and an open line has no result") {
  ConnectionRecord record;
  record.source_address = *SocketAddress::parse("10.0.0.5:41000");
  record.destination_address = *SocketAddress::parse("10.0.0.6:80");
  record.outcome = Outcome{"later", ""};
  CHECK(access_text(AccessEvent::kOpened, record) ==
        "connection opened src.addr=10.0.0.5:41000 dst.addr=10.0.0.6:80 direction=\"outbound\"");
  CHECK(access_text(AccessEvent::kFailed, record) ==
        "connection failed src.addr=10.0.0.5:41000 dst.addr=10.0.0.6:80 direction=\"outbound\" "
        "error=\"later\"");
  CHECK(access_level(AccessEvent::kOpened, record) == log::Level::kDebug);
  CHECK(access_level(AccessEvent::kFailed, record) == log::Level::kWarn);
}

TEST_CASE("a trace is written as its header") {
  auto record = sample_record();
  record.trace.emplace();
  record.trace->id.fill(0xab);
  record.trace->span.fill(0x0c);
  record.trace->flags = 1;
  const std::string text = "00-abababababababababababababababab-0c0c0c0c0c0c0c0c-01";
  CHECK(access_text(AccessEvent::kComplete, record).find(" traceparent=" + text + " ") !=
        std::string::npos);
  const auto json = nlohmann::json::parse(access_json(AccessEvent::kOpened, record, {}));
  CHECK(json["traceparent"] == text);
}

TEST_CASE("a hostile name can forge neither a key nor a line") {
  auto record = sample_record();
  set(record.source, &Party::pod, "x\" dst.identity=\"spiffe://root\n\xff\\");
  const auto line = access_text(AccessEvent::kComplete, record);
  CHECK(line.find("src.workload=\"x\\\" dst.identity=\\\"spiffe://root\\x0a\\xff\\\\\"") !=
        std::string::npos);
  CHECK(line.find('\n') == std::string::npos);
  const auto json = nlohmann::json::parse(access_json(AccessEvent::kComplete, record, {}));
  CHECK(json["src.workload"] == "x\" dst.identity=\"spiffe://root\n\xef\xbf\xbd\\");
}

TEST_CASE("JSON has the same fields, typed") {
  auto record = sample_record();
  record.outcome = Outcome{"e", ""};
  const auto time =
      std::chrono::system_clock::from_time_t(1'700'000'000) + std::chrono::microseconds(42);
  const auto json = nlohmann::json::parse(access_json(AccessEvent::kComplete, record, time));
  CHECK(json["time"] == "2023-11-14T22:13:20.000042Z");
  CHECK(json["level"] == "error");
  CHECK(json["scope"] == "access");
  CHECK(json["message"] == "connection complete");
  CHECK(json["bytes_sent"] == 12);
  CHECK(json["bytes_recv"] == 34);
  CHECK(json["duration"] == "5ms");
  CHECK(json["src.addr"] == "10.0.0.5:41000");
  CHECK(json["error"] == "e");
  CHECK_FALSE(json.contains("policy"));
}
