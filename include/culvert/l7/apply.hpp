// What a decision makes of a request and a response: the path and authority that go upstream, the
// headers, the place that a redirect names, the answer to a CORS preflight. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/l7/choose_route.hpp"

namespace culvert::l7 {

/// The path, with its query, after the rule's rewrite; nullopt when it stays. A prefix is replaced
/// where the match was of a prefix (a rule without uri has matched "/"), else the whole path.
std::optional<std::string> rewritten_path(const Decision& decision, std::string_view path);
/// The authority that goes upstream; nullopt when it stays.
std::optional<std::string_view> rewritten_authority(const Decision& decision);
/// The authority of a mirrored request: "-shadow" behind the host.
std::string shadow_authority(std::string_view authority);
/// The Location of kRedirect.
std::string redirect_location(const Decision& decision, const RequestView& request,
                              const TargetView& target);

struct Header {
  std::string name;  // lower case
  std::string value;
  bool operator==(const Header&) const = default;
};
/// Does `operations` to `headers`, in order. One whose value comes to nothing is left out, as Envoy
/// does: setting a header to nothing leaves it as it is.
void apply(const HeaderOperations& operations, const ExchangeView& exchange,
           std::vector<Header>& headers);
/// Operations on the response of whatever the decision is; null for none.
const HeaderOperations* response_operations(const Decision& decision);

struct CorsResult {
  /// A preflight that is answered here with 200 and `headers`, without asking upstream.
  bool answer = false;
  /// Headers of the answer, or for the response that comes from upstream: they replace those of the
  /// same name.
  std::vector<Header> headers;
};
/// What the policy says of a request (Envoy's CORS filter); nothing for one without Origin.
CorsResult cors(const CorsPolicy& policy, const RequestView& request);

}  // namespace culvert::l7
