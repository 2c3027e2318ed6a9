#include "culvert/proxy/recheck.hpp"

#include <algorithm>
#include <utility>

#include "culvert/io/event.hpp"

namespace culvert::proxy {

using io::Task;

namespace {

constexpr io::Deadline kDecided{};

bool concerned(const mesh::PolicyChange& change, const Decided& decided) {
  return change.concerns(*decided.destination) ||
         (decided.source != nullptr && change.workloads.contains(decided.source->uid));
}

// As the snapshot has them now; who is in it no more stays as it was.
void renew(Decided& decided, const mesh::Snapshot& snapshot) {
  if (auto now = snapshot.workload(decided.destination->uid)) decided.destination = std::move(now);
  if (decided.source == nullptr) return;
  if (auto now = snapshot.workload(decided.source->uid)) decided.source = std::move(now);
}

}  // namespace

void Recheck::policies_changed(mesh::PolicyChange change) {
  if (change.empty() || table_.size() == 0) return;
  pending_.merge(std::move(change));
  if (std::exchange(walking_, true)) return;
  fibers_.spawn([](Recheck* self) -> Task<> { co_await self->walk_all(); }, this);
}

Task<> Recheck::walk_all() {
  while (!pending_.empty()) {
    const auto change = std::exchange(pending_, {});
    LiveConnections::Walk walk(table_);
    std::size_t seen = 0;
    while (LiveConnection* entry = walk.next()) {
      if (entry->decided_by && concerned(change, *entry->decided_by)) decide(*entry, false);
      if (++seen % kRecheckBatch == 0 && !co_await io::sleep_until(io::in({}))) co_return;
    }
  }
  walking_ = false;
}

// Those that still wait for a policy after the grace are refused like new connections.
Task<> Recheck::settle_unknown() {
  io::Deadline next = io::in(kUnknownPolicyGrace);
  while (next != io::kNoDeadline) {
    if (!co_await io::sleep_until(next)) co_return;
    next = io::kNoDeadline;
    LiveConnections::Walk walk(table_);
    std::size_t seen = 0;
    while (LiveConnection* entry = walk.next()) {
      const auto until = entry->undecided_until;
      if (until != kDecided && until <= io::Clock::now()) decide(*entry, true);
      if (until > io::Clock::now()) next = std::min(next, until);
      if (++seen % kRecheckBatch == 0 && !co_await io::sleep_until(io::in({}))) co_return;
    }
  }
  settling_ = false;
}

void Recheck::decide(LiveConnection& entry, bool last_time) {
  if (entry.cut != Cut::kNone) return;
  Decided& decided = *entry.decided_by;
  renew(decided, *current_);
  const auto verdict = proxy::decide(*current_, decided).verdict;
  counters_.rechecked.fetch_add(1, std::memory_order_relaxed);
  const bool unknown = verdict.reason == mesh::Verdict::Reason::kUnknownPolicy ||
                       verdict.reason == mesh::Verdict::Reason::kUnknownService;
  if (unknown && !last_time) {
    if (entry.undecided_until == kDecided) entry.undecided_until = io::in(kUnknownPolicyGrace);
    if (std::exchange(settling_, true)) return;
    fibers_.spawn([](Recheck* self) -> Task<> { co_await self->settle_unknown(); }, this);
    return;
  }
  entry.undecided_until = kDecided;
  if (verdict.allowed) return;
  entry.cut_by = std::make_unique<const CutBy>(verdict.policy, mesh::in_words(verdict));
  table_.cut(entry, Cut::kPolicy);
  counters_.cut_by_policy.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace culvert::proxy
