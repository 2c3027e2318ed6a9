// A decision about a request as an answer for people. Pure. Private to lib/explain.
#pragma once

#include <vector>

#include "culvert/explain/request.hpp"

namespace culvert::explain {

/// "reviews.shop.svc.cluster.local v2 port 9080", or what is wrong with it.
std::string upstream_words(const l7::Destination& destination, std::uint16_t arrived_at);

/// Of a request `q` that was decided so, and what was asked on the way.
RequestAnswer answer_of(const RequestQuestion& q, const l7::Decision& decision,
                        const l7::Explanation& asked);

}  // namespace culvert::explain
