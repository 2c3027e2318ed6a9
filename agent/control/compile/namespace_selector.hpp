// A Kubernetes label selector over namespaces, as a Gateway's allowedRoutes have it: matchLabels
// and matchExpressions, all of which must hold. Pure.
#pragma once

#include <expected>
#include <set>
#include <string>
#include <vector>

#include "culvert/policy/policy_set.hpp"

namespace google::protobuf {
class Value;
}

namespace culvert::control {

class NamespaceSelector {
 public:
  /// Reads the object; an empty one selects every namespace. The error says what is wrong, e.g.
  /// "matchExpressions[0].operator must be one of In, NotIn, Exists, DoesNotExist".
  static std::expected<NamespaceSelector, std::string> read(const google::protobuf::Value& value);

  /// Every namespace has the label kubernetes.io/metadata.name besides `labels`.
  bool selects(const std::string& ns, const policy::Labels& labels) const;

 private:
  enum class Operator { kIn, kNotIn, kExists, kDoesNotExist };
  struct Requirement {
    std::string key;
    Operator op = Operator::kIn;
    std::set<std::string> values;
  };
  static std::expected<Requirement, std::string> read_expression(
      const google::protobuf::Value& value);

  std::vector<Requirement> requirements_;
};

}  // namespace culvert::control
