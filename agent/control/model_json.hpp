// GET /model: what control serves, byte for byte, and where each object behind it is written. For
// tools that must decide exactly as a ztunnel does. Pure; any thread.
#pragma once

#include <string>

#include "view.hpp"

namespace culvert::control {

/// {"generation", "addresses": {NAME: HEX}, "authorizations": {NAME: HEX},
///  "objects": [{"kind","namespace","name","file","line"}]}; HEX is the serialized message of the
/// type (istio.workload.Address, istio.security.Authorization).
std::string model_json(const View& view);

}  // namespace culvert::control
