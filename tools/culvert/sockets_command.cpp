// `culvert sockets`: the connections of pods that go past ztunnel, from the agents' GET /sockets.
#include <fmt/format.h>

#include <memory>

#include "culvert/commands.hpp"
#include "culvert/mesh_source.hpp"
#include "culvert/name_filter.hpp"
#include "culvert/output.hpp"
#include "culvert/terminal.hpp"

namespace culvert::cli {
namespace {

struct Options {
  std::string pod, ns, node, lab = "default", format = "table";
};

// What the agents answer, by rows for people and as documents.
struct Sockets {
  Table table{{"NODE", "POD", "LOCAL", "REMOTE", "STATE", "USER"}};
  Json documents = Json::array();
  std::vector<std::string> known;    // all pods, "NAMESPACE/NAME"
  std::vector<std::string> unknown;  // pods whose sockets could not be read, and why
  std::size_t pods = 0;              // that were asked for
};

void take_pod(const std::string& node, const Json& pod, Sockets& out) {
  const std::string key = pod.value("namespace", "") + "/" + pod.value("name", "");
  ++out.pods;
  if (pod.contains("error"))
    out.unknown.push_back(fmt::format("{}: {}", key, pod.value("error", "")));
  for (const Json& socket : pod.value("sockets", Json::array())) {
    out.table.add({node, key, socket.value("local", ""), socket.value("remote", ""),
                   socket.value("state", ""), fmt::format("{}", socket.value("uid", 0U))});
    Json document{{"node", node}, {"pod", key}};
    document.update(socket);
    out.documents.push_back(std::move(document));
  }
}

// The exit status.
int print(const Options& o) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return fail(source.error());
  const auto nodes = source->nodes(o.node);
  if (!nodes) return fail(nodes.error());
  const NameFilter filter(o.ns, o.pod);
  Sockets out;
  for (const std::string& node : *nodes) {
    const auto answer = source->agent(node, "/sockets");
    if (!answer) return fail(answer.error());
    for (const Json& pod : *answer) {
      const std::string ns = pod.value("namespace", ""), name = pod.value("name", "");
      out.known.push_back(ns + "/" + name);
      if (filter.takes(ns, name)) take_pod(node, pod, out);
    }
  }
  if (filter.names_one() && out.pods == 0)
    return fail(filter.nothing("pod of the mesh", out.known));
  if (o.format != "table") {
    print_document(o.format, out.documents);
  } else {
    fmt::print("{}",
               out.documents.empty() ? "no connection goes past ztunnel\n" : out.table.to_string());
  }
  if (out.unknown.empty()) return 0;
  return fail({.text = "not known of " + out.unknown.front(),
               .next = fmt::format("see culvert lab logs node/NAME agent --name {}", o.lab)});
}

}  // namespace

void register_sockets(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "sockets", "connections of pods that go past ztunnel: older than their enrollment");
  command->add_option("pod", o->pod, "only of this pod: NAMESPACE/NAME, or NAME in any namespace");
  command->add_option("-n,--namespace", o->ns, "only of pods of this namespace");
  command->add_option("--node", o->node, "only this node");
  command->add_option("--name", o->lab, "the lab")->capture_default_str();
  add_output(command, o->format);
  command->footer(
      "Where the guard is strict such connections are ended when the pod is enrolled, and none is\n"
      "listed; culvert.io/guard: observe or off on the pod leaves them. USER is the user id of "
      "the\n"
      "process. Exit status 1 when an agent does not answer or a pod's sockets are not known.\n\n"
      "Examples:\n  culvert sockets\n  culvert sockets shop/web\n"
      "  culvert sockets -n shop --node east -o yaml");
  command->callback([o] { exit_with(print(*o)); });
}

}  // namespace culvert::cli
