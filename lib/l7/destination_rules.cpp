#include "destination_rules.hpp"

#include <algorithm>
#include <tuple>

#include "compile_rule.hpp"
#include "destination_rule.pb.h"

namespace culvert::l7 {

bool host_covers(std::string_view pattern, std::string_view host) {
  if (pattern == "*") return true;
  if (!pattern.starts_with("*.")) return pattern == host;
  const auto suffix = pattern.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

std::string DestinationRules::pattern(const DestinationRuleObject& object) const {
  return full_host(object.spec->host(), object.ns, settings_.domain);
}

std::string DestinationRules::put(DestinationRuleObject object) {
  auto before = remove(object.ns, object.name);
  by_host_[object.ns][pattern(object)].push_back(object.name);
  auto key = std::pair(object.ns, object.name);
  objects_.insert_or_assign(std::move(key), std::move(object));
  return before;
}

std::string DestinationRules::remove(std::string_view ns, std::string_view name) {
  const auto found = objects_.find({std::string(ns), std::string(name)});
  if (found == objects_.end()) return "";
  auto host = pattern(found->second);
  auto& hosts = by_host_[found->second.ns];
  std::erase(hosts[host], found->second.name);
  if (hosts[host].empty()) hosts.erase(host);
  objects_.erase(found);
  return host;
}

bool DestinationRules::exported(const DestinationRuleObject& object) const {
  if (object.ns == settings_.own_namespace || object.spec->export_to().empty()) return true;
  return std::ranges::any_of(object.spec->export_to(), [&](const std::string& to) {
    return to == "*" || to == settings_.own_namespace;
  });
}

std::vector<const DestinationRuleObject*> DestinationRules::in_namespace(
    const std::string& ns, const std::string& host) const {
  const auto hosts = by_host_.find(ns);
  if (hosts == by_host_.end()) return {};
  // Patterns that cover a host differ in length, the name itself being the longest.
  std::map<std::size_t, const std::vector<std::string>*, std::greater<>> by_length;
  if (const auto exact = hosts->second.find(host); exact != hosts->second.end()) {
    by_length.emplace(host.size() + 1, &exact->second);
  }
  const auto end = hosts->second.lower_bound("+");  // '*' sorts right before '+'
  for (auto it = hosts->second.lower_bound("*"); it != end; ++it) {
    if (host_covers(it->first, host)) by_length.emplace(it->first.size(), &it->second);
  }
  std::vector<const DestinationRuleObject*> best;
  for (const auto& [length, names] : by_length) {
    for (const auto& name : *names) {
      const auto& object = objects_.at({ns, name});
      if (exported(object)) best.push_back(&object);
    }
    if (!best.empty()) break;
  }
  std::ranges::sort(best, {}, [](const auto* o) { return std::tie(o->created, o->name); });
  return best;
}

MergedRule DestinationRules::find(const std::string& host, const std::string& service_ns) const {
  MergedRule merged;
  for (const auto* ns : {&settings_.own_namespace, &service_ns, &settings_.root_namespace}) {
    const auto objects =
        ns->empty() ? std::vector<const DestinationRuleObject*>() : in_namespace(*ns, host);
    if (objects.empty()) continue;
    for (const auto* object : objects) {
      const auto& spec = *object->spec;
      merged.refused = merged.refused || object->refused;
      if (!merged.policy && spec.has_traffic_policy()) merged.policy = &spec.traffic_policy();
      for (const auto& subset : spec.subsets()) merged.subsets.emplace(subset.name(), &subset);
    }
    return merged;
  }
  return merged;
}

}  // namespace culvert::l7
