// `culvert`, the command line of the mesh: parses, calls one subcommand, prints.
#include <sys/stat.h>

#include <string_view>

#include "culvert/commands.hpp"
#include "culvert/completion.hpp"

int main(int argc, char** argv) {
  ::umask(022);
  CLI::App app("culvert: look into a Culvert mesh, and run one on this machine.", "culvert");
  app.set_version_flag("--version", CULVERT_VERSION);
  culvert::cli::register_all(app);
  if (argc > 1 && std::string_view(argv[1]) == "__complete") {
    culvert::cli::print_completions(app, {argv + 2, argv + argc});
    return 0;
  }
  CLI11_PARSE(app, argc, argv);
  return 0;
}
