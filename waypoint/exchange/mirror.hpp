// Mirrors: copies of a request that go to other upstreams beside it, for their own sake: nobody
// waits for them, nothing of their answers is seen.
#pragma once

#include "waypoint/exchange/exchange.hpp"
#include "waypoint/exchange/request_body.hpp"

namespace culvert::waypoint {

/// So long a mirrored request may take once it is whole, where the route has no timeout.
inline constexpr std::chrono::seconds kMirrorTimeout{30};

/// One fiber each in ExchangeContext::mirrors(), which goes on when the exchange is over. A mirror
/// that is too slow for its bounds is given up; so is one of a request that never came whole.
void start_mirrors(Exchange& x, RequestBody& body);

}  // namespace culvert::waypoint
