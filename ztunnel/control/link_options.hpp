// What ztunnel asks control for, and as whom.
#pragma once

#include "culvert/proxy/control_link.hpp"
#include "ztunnel/settings.hpp"

namespace culvert::ztunnel {

proxy::ControlLinkOptions link_options(const Settings& settings);

}  // namespace culvert::ztunnel
