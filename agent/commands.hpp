// The subcommands of culvert-agent, one file each. Each adds itself to the application and, when it
// was chosen, leaves the process's exit status in `exit_code`.
#pragma once

namespace CLI {
class App;
}

namespace culvert::agent {

void add_run(CLI::App& app, int& exit_code);
void add_probe(CLI::App& app, int& exit_code);
void add_unload(CLI::App& app, int& exit_code);

}  // namespace culvert::agent
