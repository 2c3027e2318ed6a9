// `culvert lab ...`: the command line of the lab.
#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include "culvert/commands.hpp"
#include "culvert/log_output.hpp"
#include "culvert/output.hpp"
#include "culvert/status_command.hpp"
#include "lab/lab.hpp"
#include "lab/supervisor.hpp"

namespace culvert::cli {
namespace {

struct Options {
  lab::UpOptions up;  // its name and files serve all subcommands
  std::string mesh = "culvert";
  std::string format = "table";
  std::string target, part, kind, object;
  std::vector<std::string> argv;
  int timeout_s = 60;
  bool no_wait = false, hold = false, all = false, follow = false;
  int tail = -1;

  std::chrono::seconds timeout() const { return std::chrono::seconds(timeout_s); }
};
using Shared = std::shared_ptr<Options>;

CLI::App* add(CLI::App& lab, const Shared& o, const char* name, const char* what,
              const char* examples) {
  CLI::App* command = lab.add_subcommand(name, what);
  command->footer(std::string("Examples:\n") + examples);
  command->add_option("--name", o->up.name, "the lab")->capture_default_str();
  return command;
}

void add_files(CLI::App* command, const Shared& o, bool required) {
  auto* option = command->add_option(
      "-f,--file", o->up.files, "a YAML file of Kubernetes and Istio objects; - is standard input");
  option->take_all()->allow_extra_args(true);
  if (required) option->required();
}

void add_wait(CLI::App* command, const Shared& o) {
  command->add_flag("--no-wait", o->no_wait, "do not wait until the change is in force");
}

void add_timeout(CLI::App* command, const Shared& o) {
  command->add_option("--timeout", o->timeout_s, "seconds to wait for each part to be ready")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
}

void report(const Options& o, const char* did, const lab::Outcome<lab::ChangeReport>& outcome) {
  if (!outcome) return exit_with(fail(outcome.error()));
  const auto& pods = outcome->state.objects.pods;
  const auto meshed = std::ranges::count_if(pods, [](const lab::Pod& p) { return p.meshed(); });
  for (const lab::Note& note : outcome->notes) fmt::print(stderr, "{}\n", note.text);
  fmt::print("lab {} {} in {:.1f} s: {} nodes, {} pods, {} in the mesh\n", o.up.name, did,
             outcome->seconds, outcome->state.objects.nodes.size(), pods.size(), meshed);
}

void register_up(CLI::App& lab, const Shared& o) {
  CLI::App* up = add(lab, o, "up", "bring a lab up from YAML; returns when all of it is ready",
                     "  culvert lab up -f manifests/samples/bookshop.yaml\n"
                     "  culvert lab up --name plain --mesh=none -f shop.yaml -f policy.yaml");
  add_files(up, o, true);
  add_timeout(up, o);
  up->add_option("--mesh", o->mesh, "culvert, or none: the same pods without the mesh")
      ->check(CLI::IsMember({"culvert", "none"}))
      ->capture_default_str();
  up->add_flag("--keep-failed", o->up.keep_failed, "when it fails, leave what was made");
  up->add_option("--control-flag", o->up.control_flags, "a further flag for culvert-control");
  up->add_option("--agent-flag", o->up.agent_flags, "a further flag for every culvert-agent");
  up->add_option("--ztunnel-flag", o->up.ztunnel_flags, "a further flag for every culvert-ztunnel");
  up->add_option("--waypoint-flag", o->up.waypoint_flags,
                 "a further flag for every culvert-waypoint");
  up->callback([o] {
    o->up.mesh = o->mesh != "none";
    o->up.timeout = o->timeout();
    report(*o, "is up", lab::lab_up(o->up));
  });
}

void register_changes(CLI::App& lab, const Shared& o) {
  CLI::App* apply =
      add(lab, o, "apply", "change configuration and pods; returns when it is in force",
          "  culvert lab apply -f deny.yaml\n  culvert lab apply -f - <pod.yaml");
  add_files(apply, o, true);
  add_wait(apply, o);
  add_timeout(apply, o);
  apply->callback([o] {
    const auto outcome = lab::lab_apply(o->up.name, o->up.files, !o->no_wait, o->timeout());
    report(*o, "has it", outcome);
    if (std::ranges::any_of(outcome->notes, &lab::Note::error))
      exit_with(fail({"the configuration holds objects that are refused (above)",
                      "correct them; until then their last good state stays in force"}));
  });

  CLI::App* remove = add(lab, o, "delete", "remove objects and pods; returns when it is in force",
                         "  culvert lab delete -f deny.yaml\n"
                         "  culvert lab delete AuthorizationPolicy shop/deny-all\n"
                         "  culvert lab delete Pod shop/web\n"
                         "  culvert lab delete Gateway shop/waypoint");
  add_files(remove, o, false);
  add_wait(remove, o);
  add_timeout(remove, o);
  remove->add_option("kind", o->kind, "the object's kind, as in its manifest");
  remove->add_option("object", o->object, "NAMESPACE/NAME");
  remove->callback([o] {
    if (o->kind.empty() != o->object.empty() || (o->kind.empty() && o->up.files.empty()))
      return exit_with(
          fail({"nothing is named to delete", "give -f FILE, or KIND NAMESPACE/NAME"}));
    report(*o, "is without it",
           lab::lab_delete(o->up.name, o->up.files, o->kind, o->object, !o->no_wait, o->timeout()));
  });
}

void register_exec(CLI::App& lab, const Shared& o) {
  CLI::App* exec = add(lab, o, "exec", "run a command in a pod or on a node; ends as it ends",
                       "  culvert lab exec shop/web -- curl -s http://catalog:8080/\n"
                       "  culvert lab exec node/east -- tcpdump -c 5 -ni eth0");
  exec->add_option("target", o->target, "NAMESPACE/POD, or node/NAME")->required();
  exec->add_option("-c,--container", o->part,
                   "whose environment; the first container's by default");
  exec->add_option("command", o->argv, "the command and its arguments, after --")->required();
  exec->callback([o] {
    const lab::Problem why = lab::lab_exec(o->up.name, o->target, o->part, o->argv);
    fail(why);
    exit_with(127);
  });
}

void register_views(CLI::App& lab, const Shared& o) {
  CLI::App* logs = add(lab, o, "logs", "output of a pod, or of a node's components",
                       "  culvert lab logs shop/web -f\n  culvert lab logs node/east ztunnel\n"
                       "  culvert lab logs control --tail 20");
  logs->add_option("target", o->target, "NAMESPACE/POD, node/NAME, control or supervisor")
      ->required();
  logs->add_option("part", o->part, "a container; on a node: agent, ztunnel, waypoint, control");
  logs->add_flag("-f,--follow", o->follow, "go on printing what is written");
  logs->add_option("--tail", o->tail, "only so many last lines");
  logs->callback([o] {
    const auto paths = lab::lab_logs(o->up.name, o->target, o->part);
    if (!paths) return exit_with(fail(paths.error()));
    exit_with(print_logs(*paths, o->tail, o->follow));
  });

  CLI::App* status = add(lab, o, "status", "nodes, components and pods of a lab",
                         "  culvert lab status\n  culvert lab status -o json");
  add_output(status, o->format);
  status->callback([o] { exit_with(show_status(o->up.name, o->format)); });

  CLI::App* list = lab.add_subcommand("list", "names of the labs on this machine");
  list->callback([] {
    for (const std::string& name : lab::labs_with_remains()) fmt::print("{}\n", name);
  });
}

void register_processes(CLI::App& lab, const Shared& o) {
  const auto targets = [&](CLI::App* command) {
    command->add_option("target", o->target, "node/NAME, control, NAMESPACE/POD, or waypoint")
        ->required();
    command->add_option("component", o->part,
                        "on a node: ztunnel or agent; of a pod: a container; of waypoint: "
                        "NAMESPACE/NAME of its Gateway");
  };
  CLI::App* restart =
      add(lab, o, "restart",
          "start a component anew: ztunnel and agent by a handover, a waypoint pod by pod (or one "
          "pod of it), the others end gracefully first; also after kill --hold",
          "  culvert lab restart node/east ztunnel\n  culvert lab restart control\n"
          "  culvert lab restart waypoint shop/waypoint\n  culvert lab restart shop/waypoint-1");
  targets(restart);
  add_timeout(restart, o);
  restart->callback([o] {
    if (auto done = lab::lab_restart(o->up.name, o->target, o->part, o->timeout()); !done)
      exit_with(fail(done.error()));
  });
  CLI::App* kill =
      add(lab, o, "kill", "SIGKILL a component; it comes back after a second",
          "  culvert lab kill node/east ztunnel\n  culvert lab kill node/east agent --hold\n"
          "  culvert lab kill waypoint shop/waypoint");
  targets(kill);
  kill->add_flag("--hold", o->hold, "do not bring it back before lab restart");
  kill->callback([o] {
    if (auto done = lab::lab_kill(o->up.name, o->target, o->part, o->hold); !done)
      exit_with(fail(done.error()));
  });
}

void register_down(CLI::App& lab, const Shared& o) {
  CLI::App* down =
      add(lab, o, "down", "remove everything of a lab, also after a crash",
          "  culvert lab down\n  culvert lab down --name plain\n  culvert lab down --all");
  down->add_flag("--all", o->all, "all labs of this machine");
  down->callback([o] {
    std::vector<std::string> names{o->up.name};
    if (o->all) names = lab::labs_with_remains();
    int status = 0;
    for (const std::string& name : names) {
      const auto gone = lab::lab_down(name);
      if (!gone)
        status = fail(gone.error());
      else
        fmt::print("lab {} is gone\n", name);
    }
    exit_with(status);
  });

  CLI::App* supervise = lab.add_subcommand("supervise", "");
  supervise->group("");  // `up` starts it
  supervise->add_option("--name", o->up.name)->required();
  supervise->callback([o] {
    if (auto ran = lab::supervise(lab::LabNames(o->up.name)); !ran) exit_with(fail(ran.error()));
  });
}

}  // namespace

void register_lab(CLI::App& app) {
  CLI::App* lab = app.add_subcommand("lab", "run a mesh on this machine from YAML");
  lab->require_subcommand(1);
  lab->footer(
      "Each Node becomes a network namespace, each Pod too, and the pods' commands run in\n"
      "them as processes. Needs root; nothing is changed in the machine's own network.\n\n"
      "Examples:\n  culvert lab up -f manifests/samples/bookshop.yaml\n"
      "  culvert lab exec shop/web -- curl -s http://catalog:8080/\n"
      "  culvert lab down");
  auto options = std::make_shared<Options>();
  options->up.name = "default";
  register_up(*lab, options);
  register_exec(*lab, options);
  register_changes(*lab, options);
  register_views(*lab, options);
  register_processes(*lab, options);
  register_down(*lab, options);
}

}  // namespace culvert::cli
