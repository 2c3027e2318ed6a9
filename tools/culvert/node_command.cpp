// `culvert certs` and `culvert hooks`: what each node's ztunnel and kernel hold.
#include <fcntl.h>
#include <fmt/format.h>

#include <memory>

#include "culvert/bpf/objects.hpp"
#include "culvert/bpf/syscall.hpp"
#include "culvert/commands.hpp"
#include "culvert/mesh_source.hpp"
#include "culvert/output.hpp"
#include "culvert/terminal.hpp"

namespace culvert::cli {
namespace {

struct Options {
  std::string lab = "default", ns, node, format = "table";
};
using Shared = std::shared_ptr<Options>;

struct Listing {
  Table table;
  Json documents = Json::array();
};

std::string text_at(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The namespace of spiffe://TD/ns/NS/sa/SA; empty for another form.
std::string namespace_of(const std::string& identity) {
  const auto at = identity.find("/ns/");
  if (at == std::string::npos) return {};
  const auto from = at + 4;
  return identity.substr(from, identity.find('/', from) - from);
}

lab::Outcome<void> list_certificates(const Options& o, const MeshSource& source,
                                     const std::string& node, Listing& out) {
  const auto dump = source.ztunnel(node, "/config_dump");
  if (!dump) return std::unexpected(dump.error());
  for (const Json& certificate : dump->value("certificates", Json::array())) {
    const std::string identity = text_at(certificate, "identity");
    if (!o.ns.empty() && namespace_of(identity) != o.ns) continue;
    const Json chain = certificate.value("certChain", Json::array());
    const std::string expires = chain.empty() ? "" : text_at(chain[0], "expirationTime");
    const std::string state = text_at(certificate, "state"), error = text_at(certificate, "error");
    out.table.add({identity, node,
                   colored(state, state == "Available" ? Color::kGreen : Color::kYellow),
                   expires.empty() ? "-" : expires, error.empty() ? "-" : error});
    Json document{{"node", node}};
    document.update(certificate);
    out.documents.push_back(std::move(document));
  }
  return {};
}

// What runs at a hook of a cgroup, in order, ours among others'.
void list_hook(const ProgramRow& ours, const std::string& node, std::uint32_t attach_type,
               Listing& out) {
  const UniqueFd cgroup(::open(ours.attached.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto ids = cgroup.valid() ? bpf::effective_programs(cgroup.get(), attach_type)
                                  : fail_errno(errno, "open the cgroup");
  Json order = Json::array();
  std::string others;
  std::size_t position = 0;
  for (std::size_t i = 0; ids && i < ids->size(); ++i) {
    const auto program = bpf::program_by_id((*ids)[i]);
    const auto info =
        program ? bpf::program_info(program->get()) : std::unexpected(program.error());
    const std::string name = info ? info->name : "?";
    const bool own = (*ids)[i] == ours.id;
    if (own) position = i + 1;
    if (!own && position == 0) others += (others.empty() ? "" : ", ") + name;
    order.push_back({{"program", name}, {"id", (*ids)[i]}, {"ours", own}});
  }
  const std::string place =
      position == 0   ? colored("not there", Color::kRed)
      : position == 1 ? colored(fmt::format("first of {}", ids->size()), Color::kGreen)
                      : colored(fmt::format("{} of {}, after {}", position, ids->size(), others),
                                Color::kYellow);
  out.table.add({node, ours.hook, ours.name, place, ours.attached});
  out.documents.push_back({{"node", node},
                           {"hook", ours.hook},
                           {"program", ours.name},
                           {"attached", ours.attached},
                           {"position", position},
                           {"order", order}});
}

lab::Outcome<void> list_hooks(const Options&, const MeshSource& source, const std::string& node,
                              Listing& out) {
  const auto rows = list_programs(source.pins(node));
  if (!rows)
    return lab::problem(fmt::format("node {}: {}", node, rows.error().to_string()), "run as root");
  for (const ProgramRow& row : *rows) {
    if (row.netns_cookie) {
      out.table.add({node, row.hook, row.name, "in the pod", row.attached});
      out.documents.push_back(
          {{"node", node}, {"hook", row.hook}, {"program", row.name}, {"attached", row.attached}});
      continue;
    }
    const auto link = bpf::open_pinned(row.pin);
    const auto info = link ? bpf::link_info(link->get()) : std::unexpected(link.error());
    if (info) list_hook(row, node, info->attach_type, out);
  }
  return {};
}

using List = lab::Outcome<void> (*)(const Options&, const MeshSource&, const std::string&,
                                    Listing&);

void run(const Options& o, List list, std::vector<std::string> head) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return exit_with(fail(source.error()));
  const auto nodes = source->nodes(o.node);
  if (!nodes) return exit_with(fail(nodes.error()));
  Listing out{Table(std::move(head))};
  for (const std::string& node : *nodes)
    if (auto done = list(o, *source, node, out); !done) return exit_with(fail(done.error()));
  if (o.format != "table") return print_document(o.format, out.documents);
  fmt::print("{}", out.table.to_string());
}

CLI::App* add(CLI::App& app, const Shared& o, const char* name, const char* what, List list,
              const std::vector<std::string>& head) {
  CLI::App* command = app.add_subcommand(name, what);
  command->add_option("--node", o->node, "only this node");
  command->add_option("--name", o->lab, "the lab")->capture_default_str();
  add_output(command, o->format);
  command->callback([=] { run(*o, list, head); });
  return command;
}

}  // namespace

void register_certs(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      add(app, o, "certs", "the workload certificates that each ztunnel holds", list_certificates,
          {"IDENTITY", "NODE", "STATE", "EXPIRES", "LAST ERROR"});
  command->add_option("-n,--namespace", o->ns, "only identities of this namespace");
  command->footer(
      "Keys never leave ztunnel's memory; -o json has the chains.\n"
      "Exit status 1 when a ztunnel does not answer.\n\n"
      "Examples:\n  culvert certs\n  culvert certs -n shop --node east -o yaml");
}

void register_hooks(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = add(app, o, "hooks", "what runs at each hook of the kernel, in which order",
                          list_hooks, {"NODE", "HOOK", "PROGRAM", "ORDER", "ATTACHED TO"});
  command->footer(
      "First at a cgroup's hook means that no other program has changed the destination before.\n"
      "It asks the kernel alone, so it works when the agent is dead. Needs root.\n\n"
      "Examples:\n  culvert hooks\n  culvert hooks --node east -o json");
}

}  // namespace culvert::cli
