// Session: the server's half of delta xDS for one stream, without I/O. One thread. Requests and new
// resource sets go in; responses come out when their turn is there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/xds/messages.hpp"
#include "culvert/xds/resource_set.hpp"
#include "culvert/xds/type_subscription.hpp"

namespace culvert::xds {

/// What a client is shown.
struct Sight {
  /// Of Authorizations, those of these namespaces; nullopt: all.
  std::optional<std::set<std::string, std::less<>>> policies_of;
};

class Session {
 public:
  explicit Session(ResourceSetPtr resources, Sight sight = {}) : sight_(std::move(sight)) {
    update(std::move(resources));
  }

  /// Errors (origin kClient) end the stream: kProtocol without a type url, kLimit beyond kMaxTypes
  /// and the bounds of TypeSubscription.
  Result<void> receive(const DeltaRequest& request);
  void update(ResourceSetPtr resources);

  /// What may be sent now, in order: added Authorizations, Addresses, removed Authorizations, then
  /// the other types. An Address waits until every added or changed Authorization was sent, and a
  /// removed Authorization until every changed Address was, so that no workload ever names a policy
  /// that its ztunnel does not have. Call it again after every receive() and update().
  std::vector<DeltaResponse> responses();

  /// As the client gave it in its first request; empty before.
  const std::string& node_id() const { return node_id_; }
  /// The newest generation that was acknowledged for every type subscribed to; 0 without one.
  std::uint64_t acked_generation() const;
  std::uint64_t nacks() const { return nacks_; }
  /// "TYPE URL: MESSAGE" of the last NACK, at most kMaxNackTextBytes; the client's words.
  const std::string& last_nack() const { return last_nack_; }

 private:
  /// Authorization before Address before the rest.
  struct SendingOrder {
    bool operator()(const std::string& a, const std::string& b) const;
  };

  const ResourcesByName& resources_of(const std::string& type_url) const;
  void add_response(std::pair<const std::string, TypeSubscription>& type, bool hold_removals,
                    std::vector<DeltaResponse>& out);

  const Sight sight_;
  ResourceSetPtr resources_;
  ResourcesByName policies_;  // those in sight, unless all are
  std::map<std::string, TypeSubscription, SendingOrder> types_;
  std::string node_id_;
  std::uint64_t next_nonce_ = 1;
  std::uint64_t nacks_ = 0;
  std::string last_nack_;
};

}  // namespace culvert::xds
