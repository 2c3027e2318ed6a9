// One rule of a VirtualService, from its message. Private to lib/l7.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "culvert/l7/rule.hpp"

namespace istio::networking::v1alpha3 {
class HTTPMatchRequest;
class HTTPRoute;
class StringMatch;
}  // namespace istio::networking::v1alpha3

namespace culvert::l7 {

/// Patterns that are in use, so that a change of one rule compiles no other's again.
class RegexCache {
 public:
  /// Null when the pattern does not compile.
  std::shared_ptr<const Regex> get(const std::string& pattern);
  /// Forgets what nobody uses.
  void sweep();
  std::size_t size() const { return patterns_.size(); }

 private:
  std::unordered_map<std::string, std::weak_ptr<const Regex>> patterns_;
};

/// What a rule is compiled with.
struct RuleContext {
  std::string ns;  // the VirtualService's
  std::string name;
  std::string domain;  // "cluster.local"
  RegexCache& regexes;
  std::function<UpstreamPtr(const std::string& host, const std::string& subset)> upstream;
};

/// "reviews" in "shop" is "reviews.shop.svc.cluster.local"; "reviews.shop.svc" gets the domain;
/// everything else is full. Lower case.
std::string full_host(std::string_view host, std::string_view ns, std::string_view domain);
/// "edge" in "shop" is "shop/edge"; "mesh" stays.
std::string full_gateway(std::string_view gateway, std::string_view ns);

/// Null when it can never be right: a pattern that does not compile, no action. Validators refuse
/// such rules before; this is for objects that came another way.
std::shared_ptr<const Rule> compile_rule(const ::istio::networking::v1alpha3::HTTPRoute& from,
                                         std::size_t index, RuleContext& context);
/// nullopt when a pattern does not compile, or the port is none.
std::optional<RequestMatch> compile_match(
    const ::istio::networking::v1alpha3::HTTPMatchRequest& from, RuleContext& context);
/// nullopt when the pattern does not compile.
std::optional<TextMatch> compile_text(const ::istio::networking::v1alpha3::StringMatch& from,
                                      RegexCache& regexes, bool ignore_case = false);

}  // namespace culvert::l7
