#include "lab/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "culvert/base/fd.hpp"
#include "lab/cgroup.hpp"
#include "lab/names.hpp"
#include "lab/netns.hpp"

namespace culvert::lab {
namespace {

// A container's view: its own hosts file and name, and a /sys that shows its own network
// namespace and neither cgroups nor pinned BPF objects. Changes made outside still arrive (slave).
Outcome<void> enter_container(const Surroundings& to) {
  if (::unshare(CLONE_NEWNS | CLONE_NEWUTS) != 0)
    return system_problem("create a mount namespace", errno);
  if (::mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    return system_problem("make mounts private", errno);
  if (::mount("sysfs", "/sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return system_problem("mount /sys", errno);
  if (::mount(to.hosts_file.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) != 0)
    return system_problem("bind " + to.hosts_file + " over /etc/hosts", errno);
  if (!to.run_dir.empty() && ::mount(to.run_dir.c_str(), kRunDir, nullptr, MS_BIND, nullptr) != 0)
    return system_problem(fmt::format("bind {} over {}", to.run_dir, kRunDir), errno);
  if (::sethostname(to.host_name.data(), std::min<std::size_t>(to.host_name.size(), 64)) != 0)
    return system_problem("set the host name", errno);
  return {};
}

// `failure` is the pipe that exec closes: what is written there is why it did not come to that.
[[noreturn]] void child(const ProcessSpec& spec, int log, int failure) {
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  Problem why;
  if (auto entered = enter(spec.surroundings); !entered)
    why = entered.error();
  else
    why = execute(spec.argv, spec.environment);
  const std::string line = "culvert lab: " + why.text + "\n";
  for (const int fd : {STDERR_FILENO, failure}) {
    [[maybe_unused]] const auto n = ::write(fd, line.data(), line.size());
  }
  ::_exit(kCannotStart);
}

// The text that the child wrote before it gave up; empty once it runs its program.
std::string read_failure(int fd) {
  std::string out;
  char buffer[512];
  while (true) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n > 0) out.append(buffer, static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) return out;
  }
}

}  // namespace

Outcome<void> enter(const Surroundings& to) {
  if (!to.cgroup.empty())
    if (auto joined = join_cgroup(to.cgroup); !joined) return joined;
  if (!to.netns.empty()) {
    UniqueFd netns(::open(to.netns.c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns.valid() || ::setns(netns.get(), CLONE_NEWNET) != 0)
      return system_problem("enter " + to.netns, errno);
  }
  if (!to.hosts_file.empty())
    if (auto inside = enter_container(to); !inside) return inside;
  const std::string dir = to.working_dir.empty() ? "/" : to.working_dir;
  if (::chdir(dir.c_str()) != 0) return system_problem("go to working directory " + dir, errno);
  return {};
}

Problem execute(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  std::vector<char*> arguments, variables;
  for (const std::string& word : argv) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  for (const std::string& entry : environment)
    variables.push_back(const_cast<char*>(entry.c_str()));
  variables.push_back(nullptr);
  ::environ = variables.data();  // execvp looks the program up in the new PATH
  ::execvp(arguments[0], arguments.data());
  return system_problem(fmt::format("cannot run {}", argv.front()), errno).error();
}

Outcome<pid_t> spawn(const ProcessSpec& spec) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(spec.log).parent_path(), ignored);
  UniqueFd log(::open(spec.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log.valid()) return system_problem("open " + spec.log, errno);
  if (!spec.surroundings.cgroup.empty())
    std::filesystem::create_directories(spec.surroundings.cgroup, ignored);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return system_problem("create a pipe", errno);
  UniqueFd failure(pipe[0]), failure_in(pipe[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return system_problem("fork", errno);
  if (pid == 0) child(spec, log.get(), failure_in.get());
  failure_in.reset();
  if (const std::string text = read_failure(failure.get()); !text.empty()) {
    ::waitpid(pid, nullptr, 0);
    return problem(text.substr(0, text.size() - 1));
  }
  return pid;
}

}  // namespace culvert::lab
