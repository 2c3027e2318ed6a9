// Why a connection is, or is not, captured, routed, allowed: the decisions of the hooks and of
// ztunnel (bpf/verdict.h, mesh::resolve_destination, mesh::admit), made once more for a
// connection that somebody asks about, with everything that was looked at. Pure; any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "culvert/explain/capture.hpp"
#include "culvert/mesh/policy.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/mesh/waypoint.hpp"

namespace culvert::explain {

/// Endpoints of one service that are followed; beyond, the rest is said to be alike.
inline constexpr std::size_t kMaxBranches = 64;

struct Question {
  const mesh::Snapshot& snapshot;
  mesh::WorkloadPtr source;
  SocketAddress destination;                                 // what the application connects to
  Capture capture;                                           // of the source
  std::function<Capture(const mesh::Workload&)> capture_of;  // of whoever answers
  bool joins = true;  // the source's ztunnel joins pods of its node in process
  /// Of the ztunnel of whoever answers; none: all refuse.
  std::function<mesh::WaypointBypass(const mesh::Workload&)> bypass_of{};
};

/// What the application sees.
enum class Outcome {
  kAnswered,     // it reaches the application there (if one listens)
  kReset,        // connected to ztunnel, then reset: refused
  kClosed,       // connected, then ended in order without an answer
  kRefused,      // connect() fails: ECONNREFUSED
  kUnreachable,  // connect() fails: ENETUNREACH
  kUnknown,      // leaves the mesh, or needs something that the mesh does not know
};
const char* to_string(Outcome outcome);

/// How the bytes travel.
enum class Path {
  kLocal,   // inside the pod
  kDirect,  // not captured: by itself
  kPlain,   // by ztunnel, in plain TCP
  kTunnel,  // by ztunnel, HBONE to another node or to this one
  kJoined,  // by ztunnel, in process, both pods on one node
};
const char* to_string(Path path);

/// A policy that was looked at, and whether its rules match.
struct PolicyCheck {
  mesh::PolicyPtr policy;
  bool matches = false;
};

/// One way that the connection can go: where a service has several endpoints there are several.
struct Branch {
  mesh::Route route;
  Path path = Path::kDirect;
  std::optional<cv_counter_id> arrival;   // of the destination's sk_lookup; absent: not captured
  std::optional<cv_counter_id> delivery;  // of ztunnel's own connection to the application
  std::optional<mesh::Connection> asked;  // what policies were asked; absent: none is
  std::vector<PolicyCheck> policies;
  std::optional<mesh::Verdict> verdict;
  /// Where a waypoint decides: those behind it, and what each says of client and waypoint.
  struct Behind {
    mesh::WorkloadPtr workload;
    mesh::Verdict verdict;
  };
  std::vector<Behind> behind;
  Outcome outcome = Outcome::kUnknown;
  std::string flag = "-";  // of the access log (response_flags)
  std::string reason;      // in words, why it ends as it does
};

struct Explanation {
  SocketAddress destination;
  bool captured = false;
  std::optional<cv_counter_id> connect;  // absent: the pod is not enrolled
  mesh::ServicePtr service;              // whose address it is
  std::optional<Error> unroutable;       // nobody to lead it to
  std::vector<Branch> branches;          // in the order in which they take turns
  std::size_t more = 0;                  // endpoints beyond kMaxBranches

  // What all branches agree on; kUnknown and "varies" where they do not.
  Outcome outcome = Outcome::kUnknown;
  std::string flag = "-";
  std::string reason;
};

Explanation explain(const Question& question);

}  // namespace culvert::explain
