// `culvert-agent probe`: what this kernel offers, for people and for scripts.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "probe.hpp"

namespace culvert::agent {
namespace {

struct Options {
  std::string output = "table";
  std::string cgroup;
};

constexpr const char* kExamples = R"(
Tries each feature by loading a tiny program or making a small map; leaves nothing behind. The exit
status is 0 when everything required is there. Needs root.

Examples:
  culvert-agent probe
  culvert-agent probe -o json | jq '.features[] | select(.there | not)'
  culvert-agent probe --cgroup /sys/fs/cgroup/kubepods.slice)";

void print_table(const ProbeReport& report) {
  std::size_t width = 0;
  for (const ProbeRow& row : report.rows)
    width = std::max(width, row.feature.size() + (row.detail.empty() ? 0 : row.detail.size() + 3));
  fmt::print("kernel {}\n\n{:<{}}  THERE  NEEDED  SINCE  WITHOUT IT\n", report.kernel, "FEATURE",
             width);
  for (const ProbeRow& row : report.rows) {
    const std::string detail = row.detail.empty() ? "" : fmt::format(" ({})", row.detail);
    fmt::print("{:<{}}  {:<5}  {:<6}  {:<5}  {}\n", row.feature + detail, width,
               row.there ? "yes" : "no", row.required ? "yes" : "no", row.since, row.without);
  }
  fmt::print("\nORDER ON THE HOOKS of {}\n", report.cgroup);
  for (const HookOrder& hook : report.hooks) {
    fmt::print("{:<12}  {}\n", hook.hook,
               hook.programs.empty() ? "nothing attached"
                                     : fmt::format("{}", fmt::join(hook.programs, " -> ")));
    if (!hook.warning.empty()) fmt::print("{:<12}  warning: {}\n", "", hook.warning);
  }
  fmt::print("\n{}\n", report.usable()
                           ? "Capture works on this kernel."
                           : "Capture does not work here: see the rows with THERE no, NEEDED yes.");
}

void print_json(const ProbeReport& report) {
  nlohmann::json out{{"kernel", report.kernel},         {"cgroup2", report.cgroup2},
                     {"bpffs", report.bpffs},           {"cgroup", report.cgroup},
                     {"usable", report.usable()},       {"features", nlohmann::json::array()},
                     {"hooks", nlohmann::json::array()}};
  for (const ProbeRow& row : report.rows)
    out["features"].push_back({{"feature", row.feature},
                               {"there", row.there},
                               {"required", row.required},
                               {"since", row.since},
                               {"without", row.without},
                               {"detail", row.detail}});
  for (const HookOrder& hook : report.hooks)
    out["hooks"].push_back(
        {{"hook", hook.hook}, {"programs", hook.programs}, {"warning", hook.warning}});
  fmt::print("{}\n", out.dump(2));
}

}  // namespace

void add_probe(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("probe", "Print what the kernel offers, and what Culvert does without");
  command->footer(kExamples);
  command->add_option("-o,--output", options->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->add_option("--cgroup", options->cgroup,
                      "whose hooks to look at (default: the cgroup2 root)");
  command->callback([options, &exit_code] {
    const ProbeReport report = probe(options->cgroup);
    options->output == "json" ? print_json(report) : print_table(report);
    exit_code = report.usable() ? 0 : 1;
  });
}

}  // namespace culvert::agent
