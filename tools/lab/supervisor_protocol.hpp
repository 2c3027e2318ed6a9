// What commands and a lab's supervisor say to each other: one JSON request and one JSON answer a
// connection of the Unix socket supervisor.sock; the client ends its request by shutdown(2).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "lab/process.hpp"

namespace culvert::lab {

enum class SupervisorOp {
  kPing,
  kStart,    // `spec`; replaces what has the same id and does not run
  kStop,     // SIGTERM, SIGKILL after a grace; forgotten; answers when it is gone
  kRestart,  // the same, and started again; answers when it is started
  kSucceed,  // another one is started beside it, which takes over; answers when that is started
  kKill,     // SIGKILL; comes back by its policy unless `hold`; answers when it is dead
  kList,
  kShutdown,  // ends everything and then the supervisor itself
};
inline constexpr std::size_t kRequestBytesMax = 4U << 20;

struct SupervisorRequest {
  SupervisorOp op = SupervisorOp::kPing;
  std::string id;
  bool hold = false;
  ProcessSpec spec;
};

struct ProcessReport {
  std::string id;
  std::string state;  // running, waiting (for its restart), held, ended, draining (succeeded)
  int pid = 0;
  unsigned restarts = 0;
  int last_exit = -1;  // exit status of the former one, 128 + signal; -1: none yet
  double uptime_s = 0;
};

struct SupervisorAnswer {
  std::string error;  // empty: done
  std::vector<ProcessReport> processes;
};

std::string encode(const SupervisorRequest& request);
std::string encode(const SupervisorAnswer& answer);
Outcome<SupervisorRequest> decode_request(const std::string& text);
Outcome<SupervisorAnswer> decode_answer(const std::string& text);

/// Asks a lab's supervisor; a problem when nobody answers or the answer is an error.
Outcome<SupervisorAnswer> ask_supervisor(const std::string& socket_path,
                                         const SupervisorRequest& request,
                                         std::chrono::milliseconds timeout);

}  // namespace culvert::lab
