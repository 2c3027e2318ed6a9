// From API objects and the model's services to a RouteTable, incrementally: what did not change,
// and depends on nothing that did, is shared with the table before. One thread owns a compiler; the
// tables that it makes may be read from any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "culvert/l7/route_table.hpp"
#include "culvert/mesh/workload.hpp"

namespace istio::networking::v1alpha3 {
class DestinationRule;
class VirtualService;
}  // namespace istio::networking::v1alpha3

namespace culvert::l7 {

class RegexCache;
class DestinationRules;

/// Rules of one VirtualService beyond this many are not compiled; the object counts as refused.
inline constexpr std::size_t kMaxRules = 10'000;

struct CompilerSettings {
  std::string domain = "cluster.local";
  std::string root_namespace = "istio-system";
  std::string own_namespace;  // the waypoint's or edge's: its DestinationRules come first
};

struct VirtualServiceObject {
  std::string ns, name;
  std::int64_t created = 0;  // seconds since 1970; older objects come first
  std::shared_ptr<const ::istio::networking::v1alpha3::VirtualService> spec;
  /// The object is not valid and never was: its hosts are refused as far as nobody else serves
  /// them.
  bool refused = false;
};

struct DestinationRuleObject {
  std::string ns, name;
  std::int64_t created = 0;
  std::shared_ptr<const ::istio::networking::v1alpha3::DestinationRule> spec;
  /// As with VirtualServices: where it counts, nothing is sent to its host.
  bool refused = false;
};

/// What one VirtualService gives, for its status.
struct ObjectReport {
  bool in_force = false;             // gives at least one rule to a host
  std::vector<std::string> lines;    // "3 of 5 matches for reviews...; the others stand behind ..."
  std::vector<std::string> unknown;  // "host reviews...", "subset v9 of ..." that its rules lead to
};

class Compiler {
 public:
  explicit Compiler(CompilerSettings settings);
  ~Compiler();

  /// An object with a known name replaces the old one.
  void put(VirtualServiceObject object);
  void put(DestinationRuleObject object);
  void put(mesh::ServicePtr service);
  void remove_virtual_service(std::string_view ns, std::string_view name);
  void remove_destination_rule(std::string_view ns, std::string_view name);
  void remove_service(std::string_view key);  // "NAMESPACE/HOSTNAME"

  /// How much the last compile() did.
  struct Work {
    std::size_t virtual_services = 0, hosts = 0, upstreams = 0;
  };
  /// The table of all that was put until now.
  RouteTablePtr compile();
  const Work& work() const { return work_; }
  ObjectReport report(std::string_view ns, std::string_view name) const;

 private:
  using Name = std::pair<std::string, std::string>;                       // namespace, name
  using HostAt = std::pair<std::string, std::string>;                     // gateway, host
  using UpstreamKey = std::tuple<std::string, std::string, std::string>;  // host, subset, namespace
  struct State;                                                           // of a VirtualService
  void forget(const Name& name);
  void touch_host(const std::string& host);
  void touch_hosts_like(const std::string& pattern);
  void compile_state(const Name& name, State& state);
  UpstreamPtr upstream(const std::string& host, const std::string& subset,
                       const mesh::ServicePtr& owner);
  bool is_name_of_cluster(std::string_view host) const;
  mesh::ServicePtr owner_of(const std::string& host, std::optional<std::string_view> viewer) const;
  void put_services(const std::string& host, ByText<UpstreamPtr>& out);
  UpstreamPtr make_upstream(const std::string& host, const std::string& subset,
                            const mesh::Service& service) const;
  HostRoutesPtr merge(const HostAt& at) const;
  void rebuild_gateway(RouteTable& table, const std::string& gateway) const;

  CompilerSettings settings_;
  std::unique_ptr<RegexCache> regexes_;
  std::unique_ptr<DestinationRules> rules_;
  std::map<Name, std::unique_ptr<State>> virtual_services_;
  std::map<std::string, std::map<std::string, mesh::ServicePtr>> services_;  // host -> key
  std::map<UpstreamKey, UpstreamPtr> upstreams_;
  std::map<std::string, std::set<Name>> users_;  // host -> VirtualServices that lead to it
  std::map<HostAt, std::set<Name>> members_;     // which VirtualServices speak of it
  std::map<HostAt, HostRoutesPtr> hosts_;
  // What has to be done at the next compile().
  std::set<Name> dirty_objects_;
  std::set<std::string> dirty_services_;  // hosts
  std::set<std::string> gone_services_;   // keys
  std::set<HostAt> dirty_hosts_;
  RouteTablePtr table_;
  Work work_;
};

}  // namespace culvert::l7
