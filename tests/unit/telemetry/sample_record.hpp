// A record with everything filled in, for tests.
#pragma once

#include <string>
#include <utility>

#include "culvert/telemetry/connection_record.hpp"

namespace culvert::test {

inline telemetry::ConnectionRecord sample_record() {
  using telemetry::ConnectionRecord;
  using telemetry::Party;
  ConnectionRecord record;
  record.direction = telemetry::Direction::kInbound;
  record.source_address = *SocketAddress::parse("10.0.0.5:41000");
  record.destination_address = *SocketAddress::parse("[fd00::7]:15008");
  record.hbone_address = *SocketAddress::parse("[fd00::7]:5432");
  record.source = Party{.workload = "web",
                        .pod = "web-0",
                        .namespace_name = "shop",
                        .identity = "spiffe://cluster.local/ns/shop/sa/web",
                        .cluster = "Kubernetes",
                        .canonical_service = "web",
                        .canonical_revision = "v1",
                        .app = {},
                        .version = {},
                        .region = "eu",
                        .zone = "eu-1"};
  record.destination = Party{.workload = "db",
                             .pod = "db-0",
                             .namespace_name = "data",
                             .identity = "spiffe://cluster.local/ns/data/sa/db",
                             .cluster = "Kubernetes",
                             .canonical_service = "db",
                             .canonical_revision = "v2",
                             .app = {},
                             .version = {},
                             .region = {},
                             .zone = {}};
  record.service = telemetry::ServiceName{
      .hostname = "db.data.svc.cluster.local", .namespace_name = "data", .name = "db"};
  record.mutual_tls = true;
  record.bytes_sent = 12;
  record.bytes_received = 34;
  record.duration = std::chrono::microseconds(5600);
  return record;
}

/// Changes one field of one end of a record.
inline void set(telemetry::Shared<telemetry::Party>& party, std::string telemetry::Party::* field,
                std::string value) {
  telemetry::Party changed = *party;
  changed.*field = std::move(value);
  party = std::move(changed);
}

}  // namespace culvert::test
