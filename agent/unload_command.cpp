// `culvert-agent unload`: ends capture on the node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "commands.hpp"
#include "datapath.hpp"

namespace culvert::agent {
namespace {

constexpr const char* kExamples = R"(
Pods that were captured talk without the mesh from then on. Stop the agent first.

Example:
  culvert-agent unload --bpf-dir /sys/fs/bpf/culvert/v1)";

}  // namespace

void add_unload(CLI::App& app, int& exit_code) {
  auto pin_dir = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("unload", "Detach and remove every program, link and map of the node");
  command->footer(kExamples);
  command->add_option("--bpf-dir", *pin_dir, "the agent's folder of pins")->required();
  command->callback([pin_dir, &exit_code] {
    auto removed = unload(*pin_dir);
    if (removed) {
      fmt::print("removed {} links and all maps in {}\n", *removed, *pin_dir);
      return;
    }
    fmt::print(stderr, "culvert-agent: {}{}{}\n", removed.error().what,
               removed.error().next.empty() ? "" : "\n  next: ", removed.error().next);
    exit_code = 1;
  });
}

}  // namespace culvert::agent
