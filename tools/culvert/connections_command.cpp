// `culvert connections`: what the ztunnels carry now, from their GET /connections.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "culvert/commands.hpp"
#include "culvert/connections.hpp"
#include "culvert/mesh_source.hpp"
#include "culvert/output.hpp"
#include "culvert/terminal.hpp"

namespace culvert::cli {
namespace {

constexpr int kMaxEverySeconds = 3600;

struct Options {
  ConnectionFilter filter;
  std::string lab = "default", node, format = "table";
  int limit = 1000, every_s = 2;
  bool watch = false;
};

std::vector<std::string> cells(const std::string& node, const Json& connection) {
  std::vector<std::string> out = connection_cells(connection);
  out.insert(out.begin(), node);
  return out;
}

// The exit status.
int print(const Options& o) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return fail(source.error());
  const auto nodes = source->nodes(o.node);
  if (!nodes) return fail(nodes.error());
  Table table(
      {"NODE", "PATH", "FROM", "AS", "TO", "AS", "SENT", "RECEIVED", "AGE", "RTT", "RESENT"});
  Json documents = Json::array();
  std::size_t unlisted = 0;
  for (const std::string& node : *nodes) {
    const auto answers = source->all_ztunnels(node, fmt::format("/connections?limit={}", o.limit));
    if (!answers) return fail(answers.error());
    for (const auto& [ztunnel, answer] : *answers) {
      const Json listed = answer.value("connections", Json::array());
      unlisted += answer.value("total", listed.size()) - listed.size();
      for (const Json& connection : listed) {
        if (!o.filter.takes(connection)) continue;
        table.add(cells(ztunnel == kServing ? node : node + ", " + ztunnel, connection));
        Json document{{"node", node}, {"ztunnel", ztunnel}};
        document.update(connection);
        documents.push_back(std::move(document));
      }
    }
  }
  if (o.format != "table") {
    print_document(o.format, documents);
    return 0;
  }
  fmt::print("{}", documents.empty() ? "no connections\n" : table.to_string());
  if (unlisted > 0) fmt::print("{} more are not listed: --limit\n", unlisted);
  return 0;
}

void run(const Options& o) {
  if (!o.watch) return exit_with(print(o));
  while (true) {
    if (::isatty(STDOUT_FILENO) != 0) fmt::print("\x1b[H\x1b[2J");
    if (const int status = print(o); status != 0) exit_with(status);
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(o.every_s));
  }
}

}  // namespace

void register_connections(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "connections", "what ztunnels carry now: identities, bytes, age, path, health");
  command->add_option("--pod", o->filter.pod, "only to or from this pod: NAMESPACE/NAME");
  command->add_option("-n,--namespace", o->filter.ns, "only to or from this namespace");
  command->add_option("--path", o->filter.path, "only those that go this way")
      ->check(CLI::IsMember({"tunnel", "joined", "plain", "inbound-tunnel", "inbound-plain"}));
  command->add_option("--node", o->node, "only this node");
  command->add_option("--limit", o->limit, "at most so many of each node")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_flag("--watch", o->watch, "print it again and again");
  command->add_option("--every", o->every_s, "seconds from one print to the next")
      ->check(CLI::Range(1, kMaxEverySeconds))
      ->capture_default_str();
  command->add_option("--name", o->lab, "the lab")->capture_default_str();
  add_output(command, o->format);
  command->footer(
      "A connection between two nodes is listed by both: tunnel where it begins, inbound-tunnel\n"
      "where it ends. After an upgrade the node says which ztunnel still drains. RTT and RESENT "
      "are of the socket on the network, else of the application's.\n"
      "Exit status 1 when a ztunnel does not answer.\n\n"
      "Examples:\n  culvert connections\n  culvert connections --pod shop/web --watch\n"
      "  culvert connections --path joined -o json");
  command->callback([o] { run(*o); });
}

}  // namespace culvert::cli
