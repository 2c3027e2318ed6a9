// Control's admin API: GET /status, POST /sync, GET /resources, GET /healthz/ready. The handlers
// run on admin threads and ask the loop, which alone touches Control, and wait for its answer.
#pragma once

#include <vector>

#include "control.hpp"
#include "culvert/admin/http_server.hpp"
#include "culvert/io/loop.hpp"

namespace culvert::control {

inline constexpr std::chrono::milliseconds kDefaultSyncTimeout{5000};
inline constexpr std::chrono::milliseconds kMaxSyncTimeout{60'000};
inline constexpr std::chrono::milliseconds kAskTimeout{5000};  // for the loop to answer at all

/// Both outlive the server that gets the routes.
std::vector<admin::Route> admin_routes(io::Loop& loop, Control& control);

}  // namespace culvert::control
