// Lines about requests, as text and as JSON.
#include "culvert/telemetry/exchange_log.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sample_exchange.hpp"

using namespace culvert;
using namespace culvert::telemetry;
using culvert::test::sample_exchange;
using nlohmann::json;

namespace {

std::string text_of(const ExchangeRecord& record) {
  std::string out = "before ";
  append_exchange_text(out, record);
  CHECK(out.starts_with("before "));
  return out.substr(7);
}

}  // namespace

TEST_CASE("the text has the fields of Istio's default form in their order, then the attempts") {
  CHECK(text_of(sample_exchange()) ==
        "[2026-11-21T21:00:00.123Z] \"GET /a?b=c HTTP/2\" 200 - via_upstream - \"-\" 5 70000 12 7 "
        "\"10.0.0.5\" \"curl/8\" \"6f9a0c1e-0000-4000-8000-000000000001\" \"web.shop\" "
        "\"10.0.0.7:8080\" outbound|80|v1|web.shop.svc.cluster.local - 10.96.0.1:80 "
        "10.0.0.5:41000 - shop/routes/0 1");
}

TEST_CASE("what there is not is a dash, and an end of ours names flag and details") {
  ExchangeRecord record = sample_exchange();
  record.attempts = 0;
  record.attempt_list.clear();
  record.end = ExchangeEnd::kNoRoute;
  record.status = 404;
  record.upstream_time.reset();
  record.user_agent = record.request_id = record.forwarded_for = record.cluster =
      record.route_name = "";
  CHECK(
      text_of(record) ==
      "[2026-11-21T21:00:00.123Z] \"GET /a?b=c HTTP/2\" 404 NR route_not_found - \"-\" 5 70000 12 "
      "- \"-\" \"-\" \"-\" \"web.shop\" \"-\" - - 10.96.0.1:80 10.0.0.5:41000 - - 0");
}

TEST_CASE("numbers and texts are written whole, however long") {
  ExchangeRecord record = sample_exchange();
  for (const std::uint64_t number :
       {0ULL, 9ULL, 10ULL, 99ULL, 100ULL, 255ULL, 256ULL, 65535ULL, ~0ULL}) {
    record.received_bytes = number;
    CHECK(text_of(record).find(" \"-\" " + std::to_string(number) + " 70000 ") !=
          std::string::npos);
  }
  for (const std::size_t size : {1, 600, 2000, 9000}) {
    record.path = "/" + std::string(size, 'p');
    record.user_agent = std::string(size, 'u') + '"';  // and what is escaped, at the end
    const auto text = text_of(record);
    CHECK(text.find("GET " + record.path + " HTTP/2\" 200") != std::string::npos);
    CHECK(text.find("\"" + std::string(size, 'u') + "\\\"\" \"6f9a") != std::string::npos);
    CHECK(text.ends_with(" shop/routes/0 1"));
  }
}

TEST_CASE("addresses are written as elsewhere, whatever their family") {
  ExchangeRecord record = sample_exchange();
  record.attempt_list.back().address = *SocketAddress::parse("[fd00::8]:8080");
  record.source_address = *SocketAddress::parse("255.0.10.1:65535");
  record.destination_address = *SocketAddress::parse("[fd00::1]:80");
  CHECK(text_of(record).ends_with(
      "\"[fd00::8]:8080\" outbound|80|v1|web.shop.svc.cluster.local - [fd00::1]:80 "
      "255.0.10.1:65535 - shop/routes/0 1"));
  record.attempt_list.back().address = {};
  CHECK(text_of(record).find("\"-\" outbound|80|v1|") != std::string::npos);
}

TEST_CASE("no client can forge a field or a line") {
  ExchangeRecord record = sample_exchange();
  record.path = "/\" 200 - x\n[2026";
  record.user_agent = "a\\\"b\r\n\xff";
  const auto text = text_of(record);
  CHECK(text.find('\n') == std::string::npos);
  CHECK(text.find("\"GET /\\\" 200 - x\\x0a[2026 HTTP/2\"") != std::string::npos);
  CHECK(text.find("\"a\\\\\\\"b\\x0d\\x0a\\xff\"") != std::string::npos);
  const auto object = json::parse(exchange_json(record));
  CHECK(object["path"] == record.path);
  CHECK(object["user_agent"] == "a\\\"b\r\n\xef\xbf\xbd");
}

TEST_CASE("JSON has Istio's keys, who asked whom, and the attempts where they are wanted") {
  ExchangeRecord record = sample_exchange();
  record.flags.set(ExchangeFlag::kRetriesExceeded);
  record.add_attempt({.address = *SocketAddress::parse("[fd00::8]:8080"),
                      .destination = {},
                      .status = 0,
                      .end = ExchangeEnd::kConnectFailed,
                      .duration = std::chrono::microseconds(1500)});
  record.upstream_failure = "connect to upstream: refused";
  const auto object = json::parse(exchange_event_json(record, ExchangeEvent::kEnd));
  CHECK(object["response_flags"] == "URX");
  CHECK(object["upstream_host"] == "[fd00::8]:8080");
  CHECK(object["virtual_service"] == "shop/routes");
  CHECK(object["stat_prefix"] == "find");
  CHECK(object["source_principal"] == "spiffe://cluster.local/ns/shop/sa/front");
  CHECK(object["destination_service"] == "web.shop.svc.cluster.local");
  CHECK(object["attempts"] == 2);
  REQUIRE(object["attempt_list"].size() == 2);
  CHECK(object["attempt_list"][0]["response_code"] == 200);
  CHECK(object["attempt_list"][1]["end"] == "connect-failed");
  CHECK(object["attempt_list"][1]["duration_ms"] == 1.5);
  CHECK_FALSE(json::parse(exchange_json(record)).contains("attempt_list"));
  record.stat_prefix.clear();
  CHECK_FALSE(json::parse(exchange_json(record)).contains("stat_prefix"));
}
