// The whole tree of commands, and how each of them ends.
#include "culvert/commands.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace culvert::cli {

int fail(const lab::Problem& problem) {
  fmt::print(stderr, "culvert: {}\n", problem.text);
  if (!problem.next.empty()) fmt::print(stderr, "  next: {}\n", problem.next);
  return 1;
}

void exit_with(int status) {
  std::fflush(stdout);
  if (status != 0) throw CLI::RuntimeError(status);  // CLI11's own way out of a callback
}

void register_all(CLI::App& app) {
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  culvert lab up -f manifests/samples/bookshop.yaml   a mesh on this machine\n"
      "  culvert status                                      is everything well?\n"
      "  culvert pods                                        who is in the mesh, and why\n"
      "  culvert services -n shop                            who answers at which address\n"
      "  culvert explain shop/web catalog:8080               why a connection goes as it goes\n"
      "  culvert maps --lab default                          what the kernel has of it\n"
      "\nExit status: 0 done; 1 it did not work, with what to do next; 100 and above: the command "
      "line is wrong.\n\"culvert SUBCOMMAND --help\" has more.");
  register_lab(app);
  register_status(app);
  register_pods(app);
  register_workloads(app);
  register_services(app);
  register_policies(app);
  register_certs(app);
  register_hooks(app);
  register_explain(app);
  register_maps(app);
  register_connections(app);
  register_sockets(app);
  register_waypoint(app);
  register_routes(app);
  register_tap(app);
  register_completion(app);
}

}  // namespace culvert::cli
