// TypeSubscription: what one client wants of one resource type, and what it was sent. Part of a
// Session; pure. At most one response is outstanding: changes made meanwhile leave together, after
// its answer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/xds/messages.hpp"
#include "culvert/xds/resource_set.hpp"

namespace culvert::xds {

class TypeSubscription {
 public:
  /// The first request of the type on this stream. No names, or "*": everything (wildcard).
  /// Errors as subscribe().
  Result<void> begin(const DeltaRequest& request);
  /// Later changes of the names. A name subscribed to again is sent again. kLimit beyond
  /// kMaxSubscribedNames or kMaxInitialVersions.
  Result<void> subscribe(const DeltaRequest& request);

  enum class Answer { kNone, kAck, kNack };
  /// Takes an ACK or NACK; kNone when the nonce is not the outstanding one's (stale, or made up).
  Answer answer(const DeltaRequest& request);

  /// The set has changed.
  void touch() { dirty_ = changes_left_ = true; }
  /// What may be sent now, without a nonce: at most kResponseResources and about kResponseBytes;
  /// nullopt when an answer is awaited or nothing differs. The first response comes also when
  /// empty. With `hold_removals` what is gone stays unsent (and unacknowledged) for now.
  std::optional<DeltaResponse> next(const ResourcesByName& resources, std::uint64_t generation,
                                    bool hold_removals);
  /// `nonce` of the response that next() gave; it is outstanding from now.
  void sent(std::string nonce);

  /// Everything of the current set is sent, though maybe not yet acknowledged.
  bool all_sent() const { return !dirty_; }
  /// The same but for removals, which may be held.
  bool changes_sent() const { return !changes_left_; }
  /// A response was made on this stream.
  bool begun() const { return !first_; }
  bool awaits_answer() const { return outstanding_.has_value(); }
  bool wanted() const { return wildcard_ || !names_.empty(); }
  /// The newest generation that the client has acknowledged as a whole.
  std::uint64_t acked_generation() const { return acked_generation_; }

 private:
  struct Outstanding {
    std::string nonce;
    std::uint64_t generation = 0;
    bool completes = false;  // nothing of that generation was left for a later response
  };
  bool covers(const std::string& name) const { return wildcard_ || names_.contains(name); }
  bool anything_gone(const ResourcesByName& resources) const;
  void add_removals(const ResourcesByName& resources, DeltaResponse& out);
  bool add_changes(const ResourcesByName& resources, DeltaResponse& out);
  bool add(const std::string& name, const StoredResource& resource, std::size_t& bytes,
           DeltaResponse& out);

  bool wildcard_ = false;
  std::set<std::string, std::less<>> names_;
  /// Version by name; nullopt: the client was told that there is no such resource.
  std::map<std::string, std::optional<std::string>, std::less<>> sent_;
  bool dirty_ = true;
  bool changes_left_ = true;  // something added or changed may not be sent yet
  bool first_ = true;
  bool held_back_ = false;  // the response being built is not the whole difference
  std::uint64_t building_generation_ = 0;
  std::optional<Outstanding> outstanding_;
  std::uint64_t acked_generation_ = 0;
  std::optional<std::uint64_t> refused_generation_;  // until a later generation is acknowledged
};

}  // namespace culvert::xds
