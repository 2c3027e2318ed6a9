// The agent's admin API: POST /pods, DELETE /pods/UID, GET /pods, GET /sockets, GET
// /healthz/ready. Runs on the admin server's threads; Enrollment and Handover have locks of their
// own.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "culvert/admin/http_server.hpp"
#include "enrollment.hpp"
#include "handover.hpp"

namespace culvert::agent {

inline constexpr std::chrono::milliseconds kDefaultAckWait{3000};
inline constexpr std::chrono::milliseconds kMaxAckWait{60'000};

struct PodRoutesContext {
  Enrollment& enrollment;
  Handover& handover;
  std::function<void()> pods_changed;  // after every POST and DELETE
};

/// `context`'s references outlive the server that gets the routes.
std::vector<admin::Route> pod_routes(PodRoutesContext context);

}  // namespace culvert::agent
