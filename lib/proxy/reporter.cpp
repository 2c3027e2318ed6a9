#include "culvert/proxy/reporter.hpp"

#include <cerrno>
#include <utility>

#include "culvert/base/log.hpp"

namespace culvert::proxy {

using telemetry::AccessEvent, telemetry::ResponseFlag;

namespace {

ResponseFlag flag_of(const Error& error) {
  if (error.sys_errno == EKEYREVOKED) return ResponseFlag::kCertRevoked;
  return telemetry::response_flag(error_info(error.code).log_flag);
}

/// It says no more than that there was no connection.
bool is_vague(ResponseFlag flag) {
  return flag == ResponseFlag::kNone || flag == ResponseFlag::kConnect;
}

}  // namespace

void Reporter::log(telemetry::AccessEvent event, const telemetry::ConnectionRecord& record) {
  const auto level = telemetry::access_level(event, record);
  if (access_.off || access_.level < level || !access_.filter.wants(record)) return;
  lines_.push(json_ ? telemetry::access_json(event, record, std::chrono::system_clock::now()) + "\n"
                    : log::format_line(level, telemetry::access_text(event, record)));
}

std::vector<telemetry::CountedSeries> Reporter::collect(io::Clock::time_point now) {
  for (Report* report = open_; report != nullptr; report = report->next_) report->count_bytes();
  return traffic_.collect(now);
}

Report::Report(Reporter& reporter, telemetry::Direction direction) : reporter_(reporter) {
  record.direction = direction;
}

Report::~Report() {
  if (ended_) return;
  record.outcome = telemetry::Outcome{"stopped", ""};
  counters_ = nullptr;  // the relay is gone
  end();
}

void Report::open(const RelayCounters* counters) {
  counters_ = counters;
  series_ = &reporter_.series(record);
  series_->opened();
  next_ = std::exchange(reporter_.open_, this);
  if (next_ != nullptr) next_->previous_ = this;
  reporter_.log(AccessEvent::kOpened, record);
}

// Adds what the relay carried since the last time. Istio's metrics name the directions from the
// destination: "received" is what the source sent.
void Report::count_bytes() {
  if (counters_ == nullptr) return;
  series_->received(counters_->forward_bytes - record.bytes_sent);
  series_->sent(counters_->backward_bytes - record.bytes_received);
  record.bytes_sent = counters_->forward_bytes;
  record.bytes_received = counters_->backward_bytes;
}

void Report::end() {
  ended_ = true;
  record.duration = io::Clock::now() - start_;
  if (series_ != nullptr) {
    count_bytes();
    series_->closed();
    (previous_ == nullptr ? reporter_.open_ : previous_->next_) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
  } else {
    reporter_.series(record).failed();
  }
  // Without a destination the connection was refused before it was known where it went.
  const bool known = record.destination_address.port != 0;
  reporter_.log(known ? AccessEvent::kComplete : AccessEvent::kFailed, record);
}

void Report::finish() {
  if (!ended_) end();
}

void Report::fail(const Error& error) {
  if (ended_) return;
  record.outcome = telemetry::Outcome{error.to_string(), ""};
  const auto flag = flag_of(error);
  if (record.flag == ResponseFlag::kNone || !is_vague(flag)) record.flag = flag;
  end();
}

void Report::deny(const mesh::Verdict& verdict) {
  cut(mesh::in_words(verdict), verdict.policy, ResponseFlag::kDeny);
}

void Report::cut(std::string why, std::string policy, ResponseFlag flag) {
  if (ended_) return;
  record.outcome = telemetry::Outcome{std::move(why), std::move(policy)};
  record.flag = flag;
  end();
}

}  // namespace culvert::proxy
