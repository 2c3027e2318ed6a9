// The agents of a node, one after the other: taking over from the one that runs, and making room
// for the next.
#include "run.hpp"

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "culvert/base/log.hpp"
#include "node_agent.hpp"
#include "succession.hpp"

namespace culvert::agent {
namespace {

int report(const Problem& problem) {
  log::error("{}{}{}", problem.what, problem.next.empty() ? "" : "; next: ", problem.next);
  return 1;
}
int report(const char* doing, const Error& error) {
  log::error("{}: {}", doing, error.to_string());
  return 1;
}

// SIGTERM and SIGINT as a descriptor; blocked for every thread that is made later.
UniqueFd block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
}

// A descriptor for each request that waits, of which there may be as many as pods, and more for
// those that are worked on: the usual soft limit of 1,024 would be too near.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// What the agent that serves hands over: nothing when there is none, or when it ends meanwhile.
Result<Places> take_over(std::optional<Predecessor>& predecessor, int signals) {
  if (!predecessor) return Places{};
  log::info("taking over from the agent that serves");
  auto found = predecessor->take_over(signals);
  if (found) return found;
  predecessor.reset();
  if (found.error().code != ErrorCode::kClosed) return found;
  log::info("the agent that served has ended");
  return Places{};
}

enum class End { kSignal, kSucceeded, kAgain };

// One agent's work, until it ends or another has taken over.
End work(const RunSettings& settings, const Places& places, std::unique_ptr<NodeAgent> agent,
         SuccessorDoor door, int signals) {
  const auto successor = agent->watch(signals, door);
  if (!successor) return End::kSignal;
  log::info("another agent takes over");
  agent->stop_answering();
  agent.reset();  // it lets go of the pins
  {
    const SuccessorDoor closed(std::move(door));
  }  // whose name the other takes
  if (auto handed = hand_over(successor->get(), places); !handed)
    log::warn("{}", handed.error().to_string());
  switch (wait_done(successor->get(), signals)) {
    case Succession::kDone:
      log::info("another agent serves node {}", settings.node);
      return End::kSucceeded;
    case Succession::kInterrupted:
      return End::kSucceeded;  // the sockets may be the other's
    case Succession::kLost:
      break;
  }
  log::warn("the other agent ended before it served: taking everything back");
  return End::kAgain;
}

// Start to end of one agent. `places` are those that are open already, and then all. `predecessor`
// hears when it serves.
Outcome<End> serve(const RunSettings& settings, Places& places,
                   std::optional<Predecessor>& predecessor, int signals) {
  auto agent = NodeAgent::start(settings);
  if (!agent) return std::unexpected(agent.error());
  auto opened = open_places(settings.admin_socket, settings.zds_socket, std::move(places));
  if (!opened) return problem("listen on --admin-socket and --zds-socket", opened.error());
  places = std::move(*opened);
  if (auto answers = (*agent)->answer_at(places); !answers) return std::unexpected(answers.error());
  auto door = SuccessorDoor::open(settings.state_dir);
  if (!door) return problem("listen for a successor in --state-dir", door.error());
  log::info("node {} is ready: admin {}, ZDS {}", settings.node, settings.admin_socket,
            settings.zds_socket);
  if (predecessor) predecessor->done();
  predecessor.reset();
  return work(settings, places, std::move(*agent), std::move(*door), signals);
}

}  // namespace

int run(const RunSettings& settings) {
  const UniqueFd signals = block_signals();
  raise_descriptor_limit();
  if (auto made = make_dirs(settings.state_dir, 0700); !made)
    return report("make --state-dir", made.error());
  auto predecessor = Predecessor::find(settings.state_dir);
  if (!predecessor) return report("look for an agent that serves", predecessor.error());
  auto places = take_over(*predecessor, signals.get());
  if (!places) return report("take over", places.error());
  while (true) {
    const auto end = serve(settings, *places, *predecessor, signals.get());
    if (!end) return report(end.error());
    if (*end == End::kAgain) continue;
    if (*end == End::kSucceeded) return 0;
    log::info("stopped; pins stay in {}, so enrolled pods stay captured", settings.bpf_dir);
    ::unlink(places->admin.path.c_str());
    ::unlink(places->zds.path.c_str());
    return 0;
  }
}

}  // namespace culvert::agent
