// culvert-agent: one a node. Only chooses the subcommand; see commands.hpp.
#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "culvert/base/log.hpp"
#include "culvert/base/version.hpp"

int main(int argc, char** argv) {
  culvert::log::set_component("agent");
  int exit_code = 0;
  CLI::App app{"Culvert's node agent: captures the TCP of enrolled pods into ztunnel"};
  app.set_version_flag("--version", culvert::kVersion);
  app.require_subcommand(1);
  culvert::agent::add_run(app, exit_code);
  culvert::agent::add_probe(app, exit_code);
  culvert::agent::add_unload(app, exit_code);
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}
