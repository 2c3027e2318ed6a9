// culvert-sim: runs simulated ztunnels, a seed a run, until a seed breaks something or all have
// passed. Everything in a run follows from its seed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/personality.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstdint>

#include "control_scenario.hpp"
#include "credentials.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/base/log.hpp"
#include "scenario.hpp"

namespace {

constexpr const char* kFooter = R"(
Examples:
  ./dev sim                        # a thousand seeds
  ./dev sim --seeds 10000 --first 500
  ./dev sim --seed 4711 --trace    # one run again, told line by line
A run that breaks something ends with the line "violation: ..." and its seed.)";

// Addresses order some containers: equal ones make equal runs.
void fix_addresses(char** argv) {
  const int now = ::personality(0xffffffff);
  if (now == -1 || (now & ADDR_NO_RANDOMIZE) != 0) return;
  if (::personality(static_cast<unsigned long>(now) | ADDR_NO_RANDOMIZE) != -1) {
    ::execv("/proc/self/exe", argv);
  }
}

void tell(std::uint64_t seed, const culvert::sim::RunSummary& run) {
  fmt::print(
      "seed {}: {} steps, {:.3f} s simulated, {} connections: {} completed, {} refused, {} cut, "
      "{} bytes; {}\n",
      seed, run.steps, std::chrono::duration<double>(run.ended_at).count(), run.connections,
      run.completed, run.refused, run.cut, run.bytes,
      run.faults.empty() ? "nothing went wrong" : run.faults);
}

void tell_links(std::uint64_t seed, const culvert::sim::RunSummary& run) {
  fmt::print(
      "seed {}: links to control: {} steps, {:.0f} s simulated, {} states, {} certificates; {}\n",
      seed, run.steps, std::chrono::duration<double>(run.ended_at).count(), run.connections,
      run.completed, run.faults.empty() ? "nothing went wrong" : run.faults);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace culvert;
  fix_addresses(argv);
  std::uint64_t seeds = 1000, first = 1, one = 0;
  bool trace = false, twice = false;
  CLI::App cli{"Simulates whole meshes of ztunnels, one a seed, and checks what must always hold.",
               "culvert-sim"};
  cli.footer(kFooter);
  cli.add_option("--seeds", seeds, "how many")->capture_default_str();
  cli.add_option("--first", first, "the first one")->capture_default_str();
  auto* only = cli.add_option("--seed", one, "this one only");
  cli.add_flag("--trace", trace, "a line a run, and ztunnel's own log");
  cli.add_flag("--twice", twice, "runs each seed twice and compares");
  CLI11_PARSE(cli, argc, argv);
  if (*only) first = one, seeds = 1;
  log::set_level(trace ? log::Level::kDebug : log::Level::kError);
  sim::credentials_of(0, 0);  // made before the first run, so that no run depends on another

  const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const int log_fd = trace ? STDERR_FILENO : nowhere.get();
  std::uint64_t connections = 0, completed = 0, snapshots = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    sim::set_seed(seed);
    const auto run = sim::Scenario(seed, log_fd).run();
    if (trace) tell(seed, run);
    if (twice && sim::Scenario(seed, log_fd).run() != run)
      sim::violation("two runs of a seed differ");
    const auto links = sim::ControlScenario(seed).run();
    if (trace) tell_links(seed, links);
    if (twice && sim::ControlScenario(seed).run() != links)
      sim::violation("two runs of a seed's links to control differ");
    snapshots += links.connections;
    connections += run.connections;
    completed += run.completed;
  }
  fmt::print(
      "{} seeds from {}: {} connections, {} completed, {} states of the mesh; everything held\n",
      seeds, first, connections, completed, snapshots);
  return 0;
}
