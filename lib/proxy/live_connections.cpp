#include "culvert/proxy/live_connections.hpp"

#include <atomic>
#include <cassert>

#include "culvert/proxy/reporter.hpp"

namespace culvert::proxy {

using telemetry::ResponseFlag;

namespace {

// Each table counts in a range of its own; 64 tables stay below 2^53, which JSON readers keep.
constexpr unsigned kIdBits = 46;

std::uint64_t first_id_of_a_table() {
  static std::atomic<std::uint64_t> tables{0};
  return (tables.fetch_add(1, std::memory_order_relaxed) << kIdBits) + 1;
}

ResponseFlag flag_of(Cut cut) {
  if (cut == Cut::kPolicy) return ResponseFlag::kDeny;
  return cut == Cut::kRevoked ? ResponseFlag::kCertRevoked : ResponseFlag::kNone;
}

}  // namespace

const char* to_string(Path path) {
  switch (path) {
    case Path::kTunnel:
      return "tunnel";
    case Path::kJoined:
      return "joined";
    case Path::kPlain:
      return "plain";
    case Path::kInboundTunnel:
      return "inbound-tunnel";
    case Path::kInboundPlain:
      return "inbound-plain";
    case Path::kWaypoint:
      return "waypoint";
  }
  return "";
}

const char* to_string(Cut cut) {
  switch (cut) {
    case Cut::kNone:
      break;
    case Cut::kPolicy:
      return "cut after a policy change";
    case Cut::kRevoked:
      return "cut because the peer's certificate was revoked";
    case Cut::kDrain:
      return "cut at the end of the drain";
    case Cut::kAdmin:
      return "cut by an administrator";
    case Cut::kIdle:
      return "cut as nothing moved for the idle time of its DestinationRule";
    case Cut::kDuration:
      return "cut at the longest duration that its DestinationRule allows";
  }
  return "";
}

mesh::Admission decide(const mesh::Snapshot& snapshot, const Decided& decided) {
  mesh::Arriving question{
      .peer = {}, .peer_ip = decided.source_ip, .destination = decided.address, .claim = {}};
  if (decided.proved != nullptr) question.peer = *decided.proved;
  if (decided.source != nullptr) question.peer = decided.source->identity();
  if (decided.claim != nullptr) question.claim = *decided.claim;
  return mesh::admit(snapshot, *decided.destination, std::move(question), decided.bypass);
}

LiveConnections::LiveConnections() : next_id_(first_id_of_a_table()) {}

LiveConnections::~LiveConnections() {
  assert(size_ == 0 && "connections end before their table");
}

void LiveConnections::add(LiveConnection& entry) {
  entry.id = next_id_++;
  entry.previous = last_;
  entry.next = nullptr;
  (last_ == nullptr ? first_ : last_->next) = &entry;
  last_ = &entry;
  ++size_;
  ++changes_;
  for (Walk* walk = walks_; walk != nullptr; walk = walk->other_) {
    if (walk->at_ == nullptr) walk->at_ = &entry;
  }
}

void LiveConnections::remove(LiveConnection& entry) {
  for (Walk* walk = walks_; walk != nullptr; walk = walk->other_) {
    if (walk->at_ == &entry) walk->at_ = entry.next;
  }
  (entry.previous == nullptr ? first_ : entry.previous->next) = entry.next;
  (entry.next == nullptr ? last_ : entry.next->previous) = entry.previous;
  entry.previous = entry.next = nullptr;
  --size_;
  ++changes_;
}

bool LiveConnections::cut(LiveConnection& entry, Cut why) {
  assert(why != Cut::kNone);
  if (entry.cut != Cut::kNone) return false;
  entry.cut = why;
  entry.scope.request_stop();
  return true;
}

LiveConnections::Walk::Walk(LiveConnections& table)
    : table_(table), at_(table.first_), other_(table.walks_) {
  table.walks_ = this;
}

LiveConnections::Walk::~Walk() {
  Walk** link = &table_.walks_;
  while (*link != this) link = &(*link)->other_;
  *link = other_;
}

LiveConnection* LiveConnections::Walk::next() {
  LiveConnection* const entry = at_;
  if (entry != nullptr) at_ = entry->next;
  return entry;
}

LiveEntry::LiveEntry(LiveConnections& table, const Report& report, Path path) : table_(table) {
  direction = report.record.direction;
  this->path = path;
  record = &report.record;
  since = io::Clock::now();
  table_.add(*this);
}

void LiveEntry::tell(Report& report, const std::optional<Error>& failure) const {
  if (was_cut()) {
    std::string why = to_string(cut);
    if (cut_by != nullptr) why.append(": ").append(cut_by->reason);
    return report.cut(std::move(why), cut_by == nullptr ? "" : cut_by->policy, flag_of(cut));
  }
  if (failure) return report.fail(*failure);
  report.finish();
}

}  // namespace culvert::proxy
