// `culvert`, the command line of the mesh: parses, calls one subcommand, prints.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdio>

#include "culvert/commands.hpp"

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

}  // namespace culvert::cli

int main(int argc, char** argv) {
  ::umask(022);
  CLI::App app("culvert: look into a Culvert mesh, and run one on this machine.", "culvert");
  app.set_version_flag("--version", CULVERT_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  culvert lab up -f manifests/samples/bookshop.yaml   a mesh on this machine\n"
      "  culvert status                                      is everything well?\n"
      "  culvert pods                                        who is in the mesh, and why\n"
      "  culvert maps --lab default                          what the kernel has of it\n"
      "\n\"culvert SUBCOMMAND --help\" has more.");
  culvert::cli::register_lab(app);
  culvert::cli::register_status(app);
  culvert::cli::register_pods(app);
  culvert::cli::register_maps(app);
  CLI11_PARSE(app, argc, argv);
  return 0;
}
