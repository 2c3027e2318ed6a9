// Live connections as tables show them.
#include "culvert/connections.hpp"

#include <doctest/doctest.h>

using namespace culvert::cli;

namespace {

const Json kTunnel = Json::parse(R"({
  "id": 7, "direction": "outbound", "path": "tunnel", "age_ms": 125000, "bytes_sent": 1536, "bytes_received": 5,
  "source": {"address": "10.0.1.1:4000", "pod": "web", "namespace": "shop",
             "identity": "spiffe://cluster.local/ns/shop/sa/web"},
  "destination": {"address": "10.0.2.1:15008", "pod": "cart", "namespace": "shop"},
  "tcp": {"application": {"rtt_us": 90, "retransmits": 1}, "network": {"srtt_us": 1500, "retransmits": 3}}})");

}  // namespace

TEST_CASE("a connection's row: ends, identities, bytes, age, the network's health") {
  CHECK(connection_cells(kTunnel) ==
        std::vector<std::string>{"tunnel", "shop/web 10.0.1.1:4000", "shop/sa/web",
                                 "shop/cart 10.0.2.1:15008", "-", "1.5 KiB", "5 B", "2 min",
                                 "1.5 ms", "3"});
  Json joined = kTunnel;
  joined["tcp"].erase("network");
  CHECK(connection_cells(joined)[8] == "0.1 ms");
  joined.erase("tcp");
  CHECK(connection_cells(joined)[8] == "-");
  CHECK(connection_cells(Json::object()).size() == 10);
  CHECK(connection_cells(Json::array()).size() == 10);
}

TEST_CASE("filters take a connection by either end") {
  CHECK(ConnectionFilter{}.takes(kTunnel));
  CHECK(ConnectionFilter{.pod = "shop/cart"}.takes(kTunnel));
  CHECK_FALSE(ConnectionFilter{.pod = "bank/cart"}.takes(kTunnel));
  CHECK(ConnectionFilter{.ns = "shop"}.takes(kTunnel));
  CHECK_FALSE(ConnectionFilter{.ns = "bank"}.takes(kTunnel));
  CHECK_FALSE(ConnectionFilter{.pod = "shop/web", .path = "joined"}.takes(kTunnel));
  CHECK_FALSE(ConnectionFilter{.pod = "shop/web"}.takes(Json::object()));
}

TEST_CASE("sizes and ages are short") {
  CHECK(bytes_words(0) == "0 B");
  CHECK(bytes_words(1023) == "1023 B");
  CHECK(bytes_words(10240) == "10 KiB");
  CHECK(bytes_words(20ULL << 20) == "20 MiB");
  CHECK(age_words(250) == "250 ms");
  CHECK(age_words(119000) == "119 s");
  CHECK(age_words(7199000) == "119 min");
  CHECK(age_words(47 * 3600000ULL) == "47 h");
  CHECK(age_words(72 * 3600000ULL) == "3 d");
}
