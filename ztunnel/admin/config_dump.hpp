// GET /config_dump. On the control loop's thread.
#pragma once

#include <string>

#include "ztunnel/admin/admin.hpp"

namespace culvert::ztunnel {

/// JSON, about 500 bytes an object.
std::string config_dump(const Settings& settings, const Observed& observed);

}  // namespace culvert::ztunnel
