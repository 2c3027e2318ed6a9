#include "lab/supervisor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <list>
#include <map>

#include "culvert/base/fd.hpp"
#include "culvert/base/log.hpp"
#include "culvert/base/unix_socket.hpp"
#include "lab/supervisor_protocol.hpp"

namespace culvert::lab {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kShutdownGrace{3};
constexpr std::size_t kClientsMax = 64;

struct Client {
  UniqueFd fd;
  std::string received;
  bool complete = false;  // the request's end was read; only the answer is owed
  bool answered = false;
};

enum class Goal { kRun, kStop, kRestart, kHold, kDrain };

struct Process {
  ProcessSpec spec;
  Goal goal = Goal::kRun;
  pid_t pid = 0;  // 0: not running
  unsigned restarts = 0;
  unsigned failures = 0;
  int last_exit = -1;
  bool ended = false;  // its policy does not bring it back
  Clock::time_point started;
  Clock::time_point start_at = Clock::time_point::max();  // while waiting for its restart
  Clock::time_point kill_at = Clock::time_point::max();   // end of the grace
  std::vector<Client*> waiters;
};

void write_all(int fd, const std::string& text) {
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t n = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the command has gone away: nobody is left to tell
    sent += static_cast<std::size_t>(n);
  }
}

void kill_stragglers(const std::string& cgroup) {
  UniqueFd fd(::open((cgroup + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.valid() && ::write(fd.get(), "1", 1) < 0)
    log::warn("kill what is left in {}: {}", cgroup, errno);
}

class Supervisor {
 public:
  Outcome<void> open(const std::string& socket_path);
  void run();

 private:
  void turn();
  void accept_client();
  void read_client(Client& client);
  void obey(Client& client, const SupervisorRequest& request);
  void answer(Client& client, const std::string& error);
  void start(Process& process);
  void reap();
  void on_exit(Process& process, int status);
  void finish_waiters(Process& process, const std::string& error);
  void end(Process& process, Goal goal);
  void succeed(Client& client, Process& process);
  bool shared(const std::string& cgroup) const;
  void on_time();
  void shut_down();
  int timeout_ms() const;
  SupervisorAnswer report() const;

  UniqueFd listener_;
  UniqueFd signals_;
  std::list<Client> clients_;
  std::map<std::string, Process> processes_;
  bool stopping_ = false;
  Clock::time_point stop_at_ = Clock::time_point::max();
};

Outcome<void> Supervisor::open(const std::string& socket_path) {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&mask, number);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = UniqueFd(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return system_problem("open a signalfd", errno);
  // Processes whose parent has gone are ours to reap.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  auto listener = listen_unix(socket_path, SOCK_STREAM, SOMAXCONN);
  if (!listener) return problem(fmt::format("{}: {}", socket_path, listener.error().to_string()));
  listener_ = std::move(*listener);
  return {};
}

void Supervisor::run() {
  while (true) {
    const bool all_gone =
        std::ranges::all_of(processes_, [](const auto& entry) { return entry.second.pid == 0; });
    if (stopping_ && (all_gone || Clock::now() >= stop_at_)) break;
    turn();
  }
  for (Client& client : clients_) answer(client, "");
}

void Supervisor::turn() {
  std::vector<pollfd> events{{signals_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  if (clients_.size() >= kClientsMax) events[1].events = 0;
  std::vector<Client*> polled;
  for (Client& client : clients_) {
    polled.push_back(&client);
    events.push_back({client.complete ? -1 : client.fd.get(), POLLIN, 0});
  }
  if (::poll(events.data(), events.size(), timeout_ms()) < 0 && errno != EINTR) return;
  if (events[0].revents != 0) reap();
  for (std::size_t i = 0; i < polled.size(); ++i)
    if (events[i + 2].revents != 0 && !polled[i]->answered) read_client(*polled[i]);
  if (events[1].revents != 0) accept_client();
  on_time();
  clients_.remove_if([](const Client& client) { return client.answered; });
}

void Supervisor::accept_client() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (fd.valid()) clients_.push_back(Client{.fd = std::move(fd)});
}

void Supervisor::read_client(Client& client) {
  char buffer[64 << 10];
  const ssize_t n = ::recv(client.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (n > 0) {
    client.received.append(buffer, static_cast<std::size_t>(n));
    if (client.received.size() > kRequestBytesMax) answer(client, "the request is too long");
    return;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) {
    client.answered = true;  // reset: nobody is left to tell
    return;
  }
  client.complete = true;
  auto request = decode_request(client.received);
  if (!request) return answer(client, request.error().text);
  if (stopping_) return;  // answered at the end
  obey(client, *request);
}

void Supervisor::obey(Client& client, const SupervisorRequest& request) {
  if (request.op == SupervisorOp::kPing || request.op == SupervisorOp::kList)
    return answer(client, "");
  if (request.op == SupervisorOp::kShutdown) return shut_down();  // answered at the end
  if (request.op == SupervisorOp::kStart) {
    Process& process = processes_[request.spec.id];
    if (process.pid != 0) return answer(client, request.spec.id + " runs already");
    process = Process{.spec = request.spec};
    start(process);
    return answer(client, "");
  }
  const auto found = processes_.find(request.id);
  if (found == processes_.end()) return answer(client, "there is no process " + request.id);
  Process& process = found->second;
  if (request.op == SupervisorOp::kSucceed && process.pid != 0) return succeed(client, process);
  process.waiters.push_back(&client);
  if (request.op == SupervisorOp::kStop) return end(process, Goal::kStop);
  if (request.op == SupervisorOp::kRestart || request.op == SupervisorOp::kSucceed)
    return end(process, Goal::kRestart);
  process.goal = request.hold ? Goal::kHold : Goal::kRun;
  if (process.pid == 0) return finish_waiters(process, "it does not run");
  ::kill(process.pid, SIGKILL);
}

// Asks the process to end; on_exit() goes on from there.
void Supervisor::end(Process& process, Goal goal) {
  process.goal = goal;
  if (process.pid == 0) return on_exit(process, process.last_exit);
  ::kill(process.pid, SIGTERM);
  process.kill_at = Clock::now() + std::chrono::seconds(process.spec.grace_s);
}

// The former process goes on under a name of its own until it ends by itself.
void Supervisor::succeed(Client& client, Process& process) {
  Process former = process;
  former.spec.id = fmt::format("{}/{}", process.spec.id, process.pid);
  former.goal = Goal::kDrain;
  former.waiters.clear();
  former.kill_at = Clock::time_point::max();
  processes_.insert_or_assign(former.spec.id, former);
  process.pid = 0;
  process.failures = 0;
  ++process.restarts;
  start(process);
  answer(client, "");
}

// Whether another process of ours runs in the cgroup.
bool Supervisor::shared(const std::string& cgroup) const {
  return std::ranges::any_of(processes_, [&](const auto& entry) {
    return entry.second.pid != 0 && entry.second.spec.surroundings.cgroup == cgroup;
  });
}

void Supervisor::answer(Client& client, const std::string& error) {
  SupervisorAnswer out = report();
  out.error = error;
  write_all(client.fd.get(), encode(out));
  client.answered = true;
}

void Supervisor::finish_waiters(Process& process, const std::string& error) {
  for (Client* client : std::exchange(process.waiters, {})) answer(*client, error);
}

void Supervisor::start(Process& process) {
  process.start_at = Clock::time_point::max();
  process.kill_at = Clock::time_point::max();
  process.started = Clock::now();
  auto pid = spawn(process.spec);
  if (pid) {
    process.pid = *pid;
    return;
  }
  log::error("start {}: {}", process.spec.id, pid.error().text);
  on_exit(process, kCannotStart);
}

void Supervisor::reap() {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal)
    if (signal.ssi_signo != SIGCHLD) shut_down();
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG))
    for (auto it = processes_.begin(); it != processes_.end();) {
      Process& process = (it++)->second;  // on_exit() may erase it
      if (process.pid != pid) continue;
      const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      process.pid = 0;
      log::info("{} ended with {}", process.spec.id, code);
      if (!shared(process.spec.surroundings.cgroup))
        kill_stragglers(process.spec.surroundings.cgroup);
      on_exit(process, code);
      break;
    }
}

void Supervisor::on_exit(Process& process, int status) {
  const auto now = Clock::now();
  process.last_exit = status;
  process.kill_at = Clock::time_point::max();
  process.start_at = Clock::time_point::max();
  if (stopping_) return;
  switch (process.goal) {
    case Goal::kDrain: {
      // Who succeeded it tells how it ended.
      const auto successor = processes_.find(process.spec.id.substr(0, process.spec.id.rfind('/')));
      if (successor != processes_.end()) successor->second.last_exit = status;
      [[fallthrough]];
    }
    case Goal::kStop: {
      finish_waiters(process, "");
      processes_.erase(std::string(process.spec.id));
      return;
    }
    case Goal::kRestart:
      process.goal = Goal::kRun;
      process.failures = 0;
      process.ended = false;
      ++process.restarts;
      start(process);
      break;
    case Goal::kHold:
      break;
    case Goal::kRun: {
      process.ended = !process.spec.component && !should_restart(process.spec.restart, status);
      if (process.ended) break;
      const bool stable = now - process.started > std::chrono::duration<double>(kStableS);
      process.failures = stable ? 1 : process.failures + 1;
      process.start_at =
          now + std::chrono::milliseconds(
                    std::lround(1000 * restart_delay_s(process.spec.component, process.failures)));
      break;
    }
  }
  finish_waiters(process, "");
}

void Supervisor::on_time() {
  const auto now = Clock::now();
  for (auto& [id, process] : processes_) {
    if (process.pid != 0 && now >= process.kill_at) {
      process.kill_at = Clock::time_point::max();
      log::warn("{} did not end at SIGTERM within {} s: killed", id, process.spec.grace_s);
      ::kill(process.pid, SIGKILL);
    }
    if (process.pid == 0 && now >= process.start_at && !stopping_) {
      ++process.restarts;
      start(process);
    }
  }
}

void Supervisor::shut_down() {
  if (stopping_) return;
  stopping_ = true;
  stop_at_ = Clock::now() + kShutdownGrace;
  for (auto& [id, process] : processes_)
    if (process.pid != 0) ::kill(process.pid, SIGTERM);
}

int Supervisor::timeout_ms() const {
  auto next = stop_at_;
  for (const auto& [id, process] : processes_)
    next = std::min({next, process.start_at, process.kill_at});
  if (next == Clock::time_point::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

SupervisorAnswer Supervisor::report() const {
  SupervisorAnswer out;
  for (const auto& [id, process] : processes_) {
    ProcessReport line{
        .id = id, .pid = process.pid, .restarts = process.restarts, .last_exit = process.last_exit};
    line.state = process.goal == Goal::kDrain  ? "draining"
                 : process.pid != 0            ? "running"
                 : process.ended               ? "ended"
                 : process.goal == Goal::kHold ? "held"
                                               : "waiting";
    if (process.pid != 0)
      line.uptime_s = std::chrono::duration<double>(Clock::now() - process.started).count();
    out.processes.push_back(std::move(line));
  }
  return out;
}

}  // namespace

double restart_delay_s(bool component, unsigned failures_in_a_row) {
  if (component || failures_in_a_row <= 1) return 1;
  return std::min(kBackoffMaxS,
                  std::ldexp(1.0, static_cast<int>(std::min(10U, failures_in_a_row - 1))));
}

bool should_restart(const std::string& policy, int exit_status) {
  if (policy == "Never") return false;
  return policy != "OnFailure" || exit_status != 0;
}

Outcome<void> supervise(const LabNames& names) {
  log::set_component("supervisor");
  Supervisor supervisor;
  if (auto opened = supervisor.open(names.supervisor_socket()); !opened) return opened;
  log::info("supervising lab {}", names.lab());
  supervisor.run();
  return {};
}

}  // namespace culvert::lab
