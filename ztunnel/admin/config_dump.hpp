// GET /config_dump: what this ztunnel knows and does, in the form that `istioctl ztunnel-config`
// reads.
#pragma once

#include <string>

#include "ztunnel/admin/admin.hpp"
#include "ztunnel/admin/connections.hpp"

namespace culvert::ztunnel {

/// JSON, about 500 bytes an object. On the control loop's thread; the connections were listed
/// before.
std::string config_dump(const Settings& settings, const Observed& observed,
                        const ConnectionList& connections);

}  // namespace culvert::ztunnel
