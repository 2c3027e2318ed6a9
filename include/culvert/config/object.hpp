// API objects as read from files: their names, places and messages. Immutable, any thread.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "culvert/base/diagnostic.hpp"

namespace google::protobuf {
class Message;
}

namespace culvert::config {

struct ObjectKey {
  std::string kind;  // "AuthorizationPolicy"
  std::string ns;    // empty for Node and Namespace
  std::string name;

  /// "AuthorizationPolicy shop/deny-all", "Node n1".
  std::string to_string() const;
  auto operator<=>(const ObjectKey&) const = default;
};

struct Place {
  std::string file;
  int line = 0;
  int column = 0;
  /// "web.yaml:12".
  std::string to_string() const;
};

struct Object {
  ObjectKey key;
  Place place;
  /// Of the type that belongs to key.kind: culvert.api.k8s.Pod,
  /// culvert.api.istio.PeerAuthentication and so on. Use message_as().
  std::shared_ptr<const google::protobuf::Message> message;
  std::string bytes;  // deterministic serialization: equal bytes mean an equal object
  /// "spec.sessionAffinity: why" of each field that is not honoured, though the object is in force.
  std::vector<std::string> without_effect;
};
using ObjectPtr = std::shared_ptr<const Object>;
using ObjectMap = std::map<ObjectKey, ObjectPtr>;

/// The message of an object whose kind implies T; the caller includes T's header.
template <class T>
const T& message_as(const Object& object) {
  return static_cast<const T&>(*object.message);
}

/// A statement about an object, in the way of Kubernetes' status.conditions.
struct Condition {
  ObjectKey object;
  std::string type;  // "Accepted", "AllHonoured", "ZtunnelAccepted"
  bool status = true;
  std::string reason;  // CamelCase word
  std::string message;
};
using Conditions = std::vector<Condition>;

}  // namespace culvert::config
