// Subscriber: the client's half of delta xDS, without I/O. One thread. Responses go in, ACKs and
// NACKs come out; what was applied is remembered resource by resource, so that a reconnect fetches
// only what differs. The contents go to a ResourceSink, which alone knows what the types mean.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/xds/messages.hpp"

namespace culvert::xds {

struct AddedResource {
  std::string name;
  std::string version;
  std::string bytes;
};

struct Rejected {
  std::string name;
  std::string reason;
};

/// Where resources go. Each call is one response: what it names as added replaces the resource of
/// that name. A resource that the sink rejects keeps its last good state; the others hold.
class ResourceSink {
 public:
  virtual ~ResourceSink() = default;
  virtual std::vector<Rejected> apply(std::string_view type_url, std::vector<AddedResource> added,
                                      std::vector<std::string> removed) = 0;
};

class Subscriber {
 public:
  /// Subscribes to everything (wildcard) of each type, in this order. The sink outlives it.
  Subscriber(Node node, std::vector<std::string> type_urls, ResourceSink& sink);

  /// A new stream: its first requests, one a type. Each names the versions held. A resource whose
  /// newest version was rejected is named with its last good version, so that the server sends it
  /// again (or its removal); it is left out when both have the same version.
  std::vector<DeltaRequest> start_stream();

  /// Applies what can be applied and gives the ACK, or the NACK that names every rejected resource
  /// with its reason. Resources are rejected one by one: by the sink, and here when of another
  /// type, without a name, named twice, both added and removed, or too large. Errors (origin
  /// kControl) end the stream and apply nothing: kProtocol for a type that was not asked for or an
  /// empty nonce, kLimit for too many resources in one response.
  Result<DeltaRequest> receive(DeltaResponse response);

  /// Takes what was held in an earlier run, before the first stream: as a response, but nobody is
  /// answered and it makes nothing ready. Types that are not subscribed to are left out.
  void restore(DeltaResponse saved);

  /// Every type had a response, in this stream or an earlier one.
  bool ready() const;
  std::uint64_t nacks() const { return nacks_; }
  const std::string& last_nack() const { return last_nack_; }
  /// Resources held, all types.
  std::size_t held() const;

 private:
  struct Held {
    std::string version;
    std::optional<std::string> rejected_version;  // newer than `version`, and refused
  };
  struct Type {
    std::string url;
    bool answered = false;
    std::map<std::string, Held, std::less<>> held;
  };
  struct Checked {
    std::vector<AddedResource> added;
    std::vector<std::string> removed;
    std::vector<Rejected> rejected;
  };

  Type* find(std::string_view url);
  static Checked check(Type& type, DeltaResponse response);
  void apply(Type& type, Checked& checked);
  Refusal refuse(const Type& type, const std::vector<Rejected>& rejected);

  Node node_;
  std::vector<Type> types_;
  ResourceSink& sink_;
  std::uint64_t nacks_ = 0;
  std::string last_nack_;
};

}  // namespace culvert::xds
