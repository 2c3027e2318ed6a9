// `culvert routes`: what a waypoint makes of the VirtualServices and DestinationRules of a mesh.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "culvert/commands.hpp"
#include "culvert/explain_request.hpp"
#include "culvert/l7/unsupported.hpp"
#include "culvert/mesh_model.hpp"
#include "culvert/output.hpp"
#include "culvert/route_words.hpp"
#include "culvert/terminal.hpp"

namespace culvert::cli {
namespace {

struct Options {
  std::string lab = "default", host, ns, format = "table";
  bool unsupported = false;
};
using Shared = std::shared_ptr<Options>;

int print_unsupported(const std::string& format) {
  Table table({"FIELD", "CONSEQUENCE", "WHY"});
  Json documents = Json::array();
  for (const auto& field : l7::unsupported_fields()) {
    auto name = fmt::format("{}.{}", field.message, field.field);
    if (!field.value.empty()) name += fmt::format(": {}", field.value);
    const auto consequence = l7::to_text(field.consequence);
    table.add({name, std::string(consequence), std::string(field.why)});
    documents.push_back({{"message", field.message},
                         {"field", field.field},
                         {"value", field.value},
                         {"consequence", consequence},
                         {"why", field.why}});
  }
  if (format != "table")
    print_document(format, documents);
  else
    fmt::print("{}", table.to_string());
  return 0;
}

/// The host itself, or its first label: "reviews" finds reviews.shop.svc.cluster.local.
bool is_meant(const std::string& asked, const std::string& host) {
  return asked.empty() || asked == host || host.starts_with(asked + ".");
}

void print_host(const MeshModel& model, const std::string& gateway, const l7::HostRoutes& host) {
  fmt::print("{} at {}\n", colored(host.host, Color::kBold), gateway);
  for (const auto& one : host.contributions)
    if (one.refused)
      fmt::print("  {} is refused: 503 where nothing else matches\n",
                 colored(one.virtual_service, Color::kRed));
  std::size_t number = 0;
  for (const auto& entry : host.entries) {
    const auto& object = entry.rule->virtual_service;
    const auto slash = object.find('/');
    const std::string place =
        model.place("VirtualService", object.substr(0, slash), object.substr(slash + 1));
    fmt::print("  {}. {}\n     {}\n     {} http[{}]{}{}\n", ++number, match_words(entry.match),
               action_words(*entry.rule), object, entry.rule->index,
               entry.rule->name.empty() ? "" : " \"" + entry.rule->name + "\"",
               place.empty() ? "" : ", " + place);
  }
}

int show(const Options& o) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return fail(source.error());
  const auto model = load_model(*source);
  if (!model) return fail(model.error());
  const auto table = compile_routes(*model, o.ns);
  std::vector<std::string> gateways;
  for (const auto& [name, routes] : table->gateways) gateways.push_back(name);
  std::ranges::sort(gateways);
  std::size_t shown = 0;
  std::vector<std::string> known;
  Json documents = Json::array();
  for (const std::string& gateway : gateways) {
    for (const auto& host : hosts_of(*table->gateways.find(gateway)->second)) {
      known.push_back(host->host);
      if (!is_meant(o.host, host->host)) continue;
      ++shown;
      if (o.format == "table")
        print_host(*model, gateway, *host);
      else
        documents.push_back(host_json(gateway, *host));
    }
  }
  if (shown == 0 && !o.host.empty())
    return fail({fmt::format("no VirtualService speaks of {}", o.host),
                 did_you_mean(o.host, known, "culvert routes lists all hosts")});
  if (o.format != "table") print_document(o.format, documents);
  return 0;
}

}  // namespace

void register_routes(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("routes", "HTTP rules by host, in the order in which they are asked");
  command->add_option("host", o->host, "only this host: full, or its first labels");
  command
      ->add_option("-n,--namespace", o->ns,
                   "as the waypoints of this namespace have them (whose DestinationRules come "
                   "first)")
      ->default_str("");
  command->add_flag(
      "--unsupported", o->unsupported,
      "the fields that are not honoured: by which objects are refused, and which have no "
      "effect");
  command->add_option("--name", o->lab, "the lab")->capture_default_str();
  add_output(command, o->format);
  command->footer(
      "The rules of all VirtualServices, compiled as a waypoint compiles them. Hosts that no\n"
      "VirtualService speaks of go to their service.\n\n"
      "Examples:\n  culvert routes\n  culvert routes reviews -n shop\n"
      "  culvert routes reviews.shop.svc.cluster.local -o json\n  culvert routes --unsupported\n");
  command->callback([o] { exit_with(o->unsupported ? print_unsupported(o->format) : show(*o)); });
}

}  // namespace culvert::cli
