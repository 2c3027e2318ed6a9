// DestinationRules, and which one counts for a host. Private to lib/l7.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "culvert/l7/compiler.hpp"

namespace istio::networking::v1alpha3 {
class Subset;
class TrafficPolicy;
}  // namespace istio::networking::v1alpha3

namespace culvert::l7 {

/// Several rules of one namespace for one host, as one. Points into the objects.
struct MergedRule {
  const ::istio::networking::v1alpha3::TrafficPolicy* policy = nullptr;
  std::map<std::string, const ::istio::networking::v1alpha3::Subset*> subsets;
  bool refused = false;  // one of them is: what they say together is not known
};

class DestinationRules {
 public:
  explicit DestinationRules(const CompilerSettings& settings) : settings_(settings) {}

  /// Both return the host pattern that the object had before, "" for none.
  std::string put(DestinationRuleObject object);
  std::string remove(std::string_view ns, std::string_view name);
  /// The host pattern of an object, full.
  std::string pattern(const DestinationRuleObject& object) const;

  /// Istio's order: rules of the own namespace, of the service's, of the root; in each the most
  /// specific host. Those outside the own namespace must be exported to it. Rules for the same host
  /// merge, older first: subsets add up, the first trafficPolicy counts.
  MergedRule find(const std::string& host, const std::string& service_ns) const;

 private:
  bool exported(const DestinationRuleObject& object) const;
  std::vector<const DestinationRuleObject*> in_namespace(const std::string& ns,
                                                         const std::string& host) const;

  const CompilerSettings& settings_;
  std::map<std::pair<std::string, std::string>, DestinationRuleObject> objects_;
  /// namespace -> host pattern -> names
  std::map<std::string, std::map<std::string, std::vector<std::string>>> by_host_;
};

/// Whether "*.shop.example", "*" or a name itself covers `host`.
bool host_covers(std::string_view pattern, std::string_view host);

}  // namespace culvert::l7
