// What control tells people, as JSON. Pure; any thread.
#pragma once

#include <string>

#include "control.hpp"
#include "culvert/xds/resource_set.hpp"

namespace culvert::control {

/// {"generation","objects","diagnostics":[..],"conditions":[..],"nodes":[..],
/// "proxies":[..]}
std::string status_json(const Report& report);
/// {"generation","addresses":{NAME:..},"authorizations":{NAME:..}}: the messages in protobuf's JSON
/// form, addresses as text.
std::string resources_json(const xds::ResourceSet& resources);

}  // namespace culvert::control
