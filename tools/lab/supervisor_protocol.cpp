#include "lab/supervisor_protocol.hpp"

#include <nlohmann/json.hpp>

#include "lab/unix_socket.hpp"

namespace culvert::lab {

using nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Surroundings, cgroup, netns, hosts_file, host_name, working_dir,
                                   run_dir)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ProcessSpec, id, argv, environment, surroundings, log, restart,
                                   component, grace_s)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SupervisorRequest, op, id, hold, spec)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ProcessReport, id, state, pid, restarts, last_exit, uptime_s)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SupervisorAnswer, error, processes)

namespace {

template <class T>
Outcome<T> decode(const std::string& text) {
  const json tree = json::parse(text, nullptr, false);
  try {
    return tree.get<T>();
  } catch (const json::exception&) {
    return problem("a message between command and supervisor was malformed",
                   "use one build of culvert for all commands of a lab");
  }
}

// Arguments may hold any bytes; what is not UTF-8 is replaced rather than refused.
std::string dump(const json& tree) {
  return tree.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string encode(const SupervisorRequest& request) {
  return dump(request);
}
std::string encode(const SupervisorAnswer& answer) {
  return dump(answer);
}
Outcome<SupervisorRequest> decode_request(const std::string& text) {
  return decode<SupervisorRequest>(text);
}
Outcome<SupervisorAnswer> decode_answer(const std::string& text) {
  return decode<SupervisorAnswer>(text);
}

Outcome<SupervisorAnswer> ask_supervisor(const std::string& socket_path,
                                         const SupervisorRequest& request,
                                         std::chrono::milliseconds timeout) {
  auto text = exchange(socket_path, encode(request), timeout);
  if (!text) return std::unexpected(text.error());
  auto answer = decode_answer(*text);
  if (answer && !answer->error.empty()) return problem(answer->error);
  return answer;
}

}  // namespace culvert::lab
