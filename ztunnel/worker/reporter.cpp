#include "ztunnel/worker/reporter.hpp"

namespace culvert::ztunnel {

telemetry::Party party_of(const mesh::Workload& w) {
  telemetry::Party party;
  party.workload = w.workload_name.empty() ? w.name : w.workload_name;
  party.pod = w.name;
  party.namespace_name = w.ns;
  party.cluster = w.cluster_id;
  party.canonical_service = w.canonical_name;
  party.canonical_revision = w.canonical_revision;
  party.app = w.canonical_name;
  party.version = w.canonical_revision;
  party.region = w.locality.region;
  party.zone = w.locality.zone;
  return party;
}

Report::Report(Reporter& reporter, telemetry::Direction direction) : reporter_(reporter) {
  record.direction = direction;
}

Report::~Report() {
  if (ended_) return;
  record.error = "stopped";
  end();
}

void Report::open() {
  opened_ = true;
  reporter_.opened(record);
}

void Report::end() {
  ended_ = true;
  record.duration = io::Clock::now() - start_;
  if (opened_) {
    reporter_.closed(record);
  } else {
    reporter_.failed(record);
  }
}

void Report::finish() {
  if (!ended_) end();
}

void Report::fail(const Error& error) {
  if (ended_) return;
  record.error = error.to_string();
  record.flag = telemetry::response_flag(error_info(error.code).log_flag);
  end();
}

void Report::deny(std::string policy, const char* reason) {
  if (ended_) return;
  record.error = reason;
  record.policy = std::move(policy);
  record.flag = telemetry::ResponseFlag::kDeny;
  end();
}

}  // namespace culvert::ztunnel
