#include "ztunnel/worker/measured.hpp"

#include <utility>

namespace culvert::ztunnel {

void MeasuredTable::collect() {
  Measured* one = turn_ == nullptr ? first_ : turn_;
  for (std::size_t i = 0; i < kMeasuredPerCollection && one != nullptr; ++i, one = one->next_) {
    one->count();
  }
  turn_ = one;
}

Measured::Measured(MeasuredTable& table, int fd, const telemetry::ConnectionRecord& record)
    : table_(table), fd_(fd), edge_(table.traffic_.edge(record)) {
  edge_.hold();
  next_ = std::exchange(table_.first_, this);
  if (next_ != nullptr) next_->previous_ = this;
}

Measured::~Measured() {
  count();
  edge_.release();
  if (table_.turn_ == this) table_.turn_ = next_;
  (previous_ == nullptr ? table_.first_ : previous_->next_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

void Measured::count() {
  const auto now = table_.read_(fd_);
  if (!now) return;
  telemetry::TrafficCounts since;
  since.segments = now->segments - counted_.segments;
  since.retransmits = now->retransmits - counted_.retransmits;
  since.rtt_samples = now->rtt_samples - counted_.rtt_samples;
  since.rtt_sum_us = now->rtt_sum_us - counted_.rtt_sum_us;
  since.rate_samples = now->rate_samples - counted_.rate_samples;
  since.rate_sum = now->rate_sum - counted_.rate_sum;
  counted_ = *now;
  edge_.add(since);
}

}  // namespace culvert::ztunnel
