// `culvert maps`: the capture maps and programs of a node, as the kernel has them now.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "culvert/bpf/mounts.hpp"
#include "culvert/commands.hpp"
#include "culvert/maps_diff_command.hpp"
#include "culvert/maps_read.hpp"
#include "culvert/output.hpp"
#include "culvert/terminal.hpp"

namespace culvert::cli {
namespace {

namespace fs = std::filesystem;
constexpr int kMaxProfileSeconds = 3600;

struct Options {
  std::string bpf_dir, state_dir = "/run/culvert/agent", lab, node, pod, map, output = "table";
  int profile_s = 0, every_s = 2;
  bool fix = false, watch = false;
};
using Shared = std::shared_ptr<Options>;

void stop(std::string text, std::string next = {}) {
  exit_with(fail({.text = std::move(text), .next = std::move(next)}));
}

std::vector<NodePins> lab_nodes(const Options& o, const std::string& bpffs) {
  std::vector<NodePins> nodes;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(bpffs + "/culvert/lab/" + o.lab, error)) {
    const std::string node = entry.path().filename();
    if (!o.node.empty() && node != o.node) continue;
    nodes.push_back({.node = node,
                     .bpf_dir = entry.path(),
                     .state_dir = fmt::format("/run/culvert/lab/{}/nodes/{}/state", o.lab, node)});
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const NodePins& a, const NodePins& b) { return a.node < b.node; });
  return nodes;
}

// Whose maps are meant: --bpf-dir, the lab's nodes, or this machine's own.
std::vector<NodePins> chosen_nodes(const Options& o) {
  auto bpffs = bpf::bpffs_mount();
  if (!bpffs) {
    stop("there is no bpf file system", "run as root");
    return {};
  }
  if (!o.lab.empty()) {
    std::vector<NodePins> nodes = lab_nodes(o, *bpffs);
    if (nodes.empty())
      stop(fmt::format("nothing is pinned for lab {}{}", o.lab,
                       o.node.empty() ? "" : " node " + o.node),
           "culvert lab status shows the labs and their nodes; a lab without the mesh has no maps");
    return nodes;
  }
  return {{.bpf_dir = o.bpf_dir.empty() ? *bpffs + "/culvert/v1" : o.bpf_dir,
           .state_dir = o.state_dir}};
}

void stop_for(const NodePins& pins, const Error& error) {
  if (error.code == ErrorCode::kNotFound)
    return stop("nothing is pinned in " + pins.bpf_dir,
                "give --lab NAME or --bpf-dir DIR; the agent pins its maps when it starts");
  stop(pins.bpf_dir + ": " + error.to_string(), error.sys_errno == EPERM ? "run as root" : "");
}

// Tables get a NODE column where several nodes are shown.
std::vector<std::string> with_node(const std::vector<NodePins>& nodes, const std::string& first,
                                   std::vector<std::string> rest) {
  if (nodes.size() > 1) rest.insert(rest.begin(), first);
  return rest;
}

std::string kib(std::uint64_t bytes) {
  return fmt::format("{} KiB", (bytes + 1023) / 1024);
}

void run_list(const Options& o) {
  const std::vector<NodePins> nodes = chosen_nodes(o);
  Table table(with_node(nodes, "NODE", {"MAP", "TYPE", "ENTRIES", "CAPACITY", "MEMORY", "PIN"}));
  Json out = Json::array();
  for (const NodePins& pins : nodes) {
    auto rows = list_maps(pins);
    if (!rows) return stop_for(pins, rows.error());
    for (const MapRow& row : *rows) {
      table.add(with_node(nodes, pins.node,
                          {row.name, row.type, row.entries ? std::to_string(*row.entries) : "-",
                           row.capacity == 0 ? "sockets" : std::to_string(row.capacity),
                           kib(row.memory_bytes), row.pin}));
      Json item{{"node", pins.node},
                {"map", row.name},
                {"type", row.type},
                {"capacity", row.capacity},
                {"memory_bytes", row.memory_bytes},
                {"pin", row.pin}};
      item["entries"] = row.entries ? Json(*row.entries) : Json();
      out.push_back(std::move(item));
    }
  }
  if (o.output != "table") return print_document(o.output, out);
  fmt::print("{}", table.to_string());
}

// The pods' filter on one node: nothing chosen, a cookie, or "not on this node".
struct Filter {
  bool on = false;
  std::optional<std::uint64_t> cookie;
  bool takes(const std::optional<std::uint64_t>& netns_cookie) const {
    return !on || (cookie && netns_cookie == cookie);
  }
};

std::optional<std::vector<Filter>> filters(const Options& o, const std::vector<NodePins>& nodes) {
  std::vector<Filter> out;
  bool known = o.pod.empty();
  for (const NodePins& pins : nodes) {
    Filter filter{.on = !o.pod.empty()};
    if (filter.on) filter.cookie = PodNames::load(pins.state_dir).cookie(o.pod);
    known = known || filter.cookie.has_value();
    out.push_back(filter);
  }
  if (known) return out;
  stop(fmt::format("no enrolled pod {} is known here", o.pod),
       "give NAMESPACE/NAME as culvert pods prints it, or the pod's netns cookie");
  return std::nullopt;
}

void run_dump(const Options& o) {
  const std::vector<NodePins> nodes = chosen_nodes(o);
  const auto wanted = filters(o, nodes);
  if (!wanted) return;
  Json out = Json::array();
  std::optional<Table> table;
  for (std::size_t n = 0; n < nodes.size(); n++) {
    auto lines = dump_map(nodes[n], o.map);
    if (!lines && lines.error().code == ErrorCode::kNotFound)
      return stop(fmt::format("no map {} is pinned in {}", o.map, nodes[n].bpf_dir),
                  "culvert maps lists those that are");
    if (!lines) return stop_for(nodes[n], lines.error());
    for (const MapLine& line : *lines) {
      if (!(*wanted)[n].takes(line.netns_cookie)) continue;
      Json item{{"node", nodes[n].node}};
      std::vector<std::string> head, row;
      for (const auto& [name, value] : line.fields) {
        item[name] = value;
        head.push_back(name);
        std::transform(name.begin(), name.end(), head.back().begin(),
                       [](char c) { return std::toupper(c); });
        row.push_back(value);
      }
      if (!table) table.emplace(with_node(nodes, "NODE", head));
      table->add(with_node(nodes, nodes[n].node, row));
      out.push_back(std::move(item));
    }
  }
  if (o.output != "table") return print_document(o.output, out);
  fmt::print("{}", table ? table->to_string() : o.map + " has no entries\n");
}

// A program's row for the table, and as JSON.
std::vector<std::string> program_cells(const ProgramRow& row, bool profiled) {
  std::vector<std::string> cells = {row.name, row.hook, row.attached, std::to_string(row.id)};
  if (!profiled) return cells;
  cells.push_back(std::to_string(row.run_count));
  cells.push_back(row.run_count == 0 ? "-" : std::to_string(row.run_ns / row.run_count));
  return cells;
}

Json program_json(const NodePins& pins, const ProgramRow& row, bool profiled) {
  Json item{{"node", pins.node},        {"program", row.name}, {"hook", row.hook},
            {"attached", row.attached}, {"id", row.id},        {"pin", row.pin}};
  if (!profiled) return item;
  item["runs"] = row.run_count;
  item["ns_per_run"] = row.run_count == 0 ? Json() : Json(row.run_ns / row.run_count);
  return item;
}

void run_programs(const Options& o) {
  const std::vector<NodePins> nodes = chosen_nodes(o);
  const auto wanted = filters(o, nodes);
  if (!wanted) return;
  std::vector<ProgramRow> rows;
  std::vector<std::size_t> owner;  // of each row, an index of `nodes`
  for (std::size_t n = 0; n < nodes.size(); n++) {
    auto own = list_programs(nodes[n]);
    if (!own) return stop_for(nodes[n], own.error());
    for (ProgramRow& row : *own) {
      if (!(*wanted)[n].takes(row.netns_cookie)) continue;
      rows.push_back(std::move(row));
      owner.push_back(n);
    }
  }
  const bool profiled = o.profile_s > 0;
  if (profiled)
    if (auto done = profile_programs(rows, std::chrono::seconds(o.profile_s)); !done)
      return stop(done.error().to_string(), "run as root on a kernel with BPF_ENABLE_STATS (5.8)");
  std::vector<std::string> head = {"PROGRAM", "HOOK", "ATTACHED TO", "ID"};
  if (profiled) head.insert(head.end(), {"RUNS", "NS/RUN"});
  Table table(with_node(nodes, "NODE", head));
  Json out = Json::array();
  for (std::size_t i = 0; i < rows.size(); i++) {
    const NodePins& pins = nodes[owner[i]];
    table.add(with_node(nodes, pins.node, program_cells(rows[i], profiled)));
    out.push_back(program_json(pins, rows[i], profiled));
  }
  if (o.output != "table") return print_document(o.output, out);
  fmt::print("{}", table.to_string());
}

MapsDiffOptions diff_options(const Options& o) {
  return {
      .lab = o.lab.empty() ? "default" : o.lab, .node = o.node, .output = o.output, .fix = o.fix};
}

// Prints again and again until it is interrupted; on a terminal in place. A failure ends it.
void watch(const std::function<void()>& print, std::chrono::seconds every) {
  while (true) {
    if (::isatty(STDOUT_FILENO) != 0) fmt::print("\x1b[H\x1b[2J");
    print();
    std::fflush(stdout);
    std::this_thread::sleep_for(every);
  }
}

void add_lab(CLI::App* command, const Shared& o) {
  command->add_option("--lab,--name", o->lab, "the nodes of a lab instead");
  command->add_option("--node", o->node, "one node of the lab");
  add_output(command, o->output);
}

void add_watch(CLI::App* command, const Shared& o) {
  command->add_flag("--watch", o->watch, "print it again and again");
  command->add_option("--every", o->every_s, "seconds from one print to the next")
      ->check(CLI::Range(1, kMaxProfileSeconds))
      ->capture_default_str();
}

// Options that list, dump and programs take, before or after the subcommand's name.
void add_shared(CLI::App* command, const Shared& o) {
  command->add_option("--bpf-dir", o->bpf_dir, "a node's folder of pins");
  command->add_option("--state-dir", o->state_dir, "its agent's state, for the pods' names")
      ->capture_default_str();
  add_lab(command, o);
}

}  // namespace

void register_maps(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* maps =
      app.add_subcommand("maps", "the capture maps and programs, read from the kernel");
  maps->footer(
      "It asks the kernel alone (but for diff), so it works when the agent is dead. Needs root.\n\n"
      "Examples:\n"
      "  culvert maps --lab default                        every map: entries, capacity, memory\n"
      "  culvert maps dump cv_counter --lab default --pod shop/web\n"
      "                                                    what the hooks decided for a pod\n"
      "  culvert maps dump cv_pod --bpf-dir /sys/fs/bpf/culvert/v1 -o json\n"
      "  culvert maps --lab default --watch                again every two seconds\n"
      "  culvert maps diff --name default                  what is not as the agents want it\n"
      "  culvert maps programs --lab default --node east --profile 5\n"
      "                                                    runs and time of each program");
  add_shared(maps, o);
  CLI::App* list = maps->add_subcommand("list", "the maps (the default)");
  CLI::App* dump = maps->add_subcommand("dump", "a map's entries, decoded");
  CLI::App* programs = maps->add_subcommand("programs", "the programs and where they are attached");
  CLI::App* diff = maps->add_subcommand("diff", "where the kernel's maps are not what agents want");
  for (CLI::App* command : {list, dump, programs}) add_shared(command, o);
  for (CLI::App* command : {maps, list, dump, diff}) add_watch(command, o);
  add_lab(diff, o);
  diff->add_flag("--fix", o->fix, "let the agents, which alone write these maps, mend them");
  diff->footer(
      "Exit status: 0 nothing differs; 1 it cannot be told; 2 something differs.\n\n"
      "Examples:\n  culvert maps diff --name demo\n  culvert maps diff --node east --fix\n"
      "  culvert maps diff -o json");
  dump->add_option("map", o->map, "cv_pod, cv_listener, cv_counter, cv_exclude, ...")->required();
  for (CLI::App* command : {dump, programs})
    command->add_option("--pod", o->pod, "only this pod: NAMESPACE/NAME, or a netns cookie");
  programs->add_option("--profile", o->profile_s, "measure for so many seconds")
      ->check(CLI::Range(1, kMaxProfileSeconds));
  maps->callback([=] {
    const auto print = [=] {
      if (dump->parsed()) return run_dump(*o);
      if (programs->parsed()) return run_programs(*o);
      if (!diff->parsed()) return run_list(*o);
      const int status = run_maps_diff(diff_options(*o));
      if (status != kMapsDiffer || !o->watch) exit_with(status);
    };
    o->watch ? watch(print, std::chrono::seconds(o->every_s)) : print();
  });
}

}  // namespace culvert::cli
