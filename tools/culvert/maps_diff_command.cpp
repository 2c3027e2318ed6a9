#include "culvert/maps_diff_command.hpp"

#include <fmt/format.h>

#include "culvert/commands.hpp"
#include "culvert/maps_diff.hpp"
#include "culvert/output.hpp"
#include "culvert/terminal.hpp"

namespace culvert::cli {
namespace {

lab::Outcome<std::vector<MapDifference>> differences_of(const MeshSource& source,
                                                        const std::string& node) {
  const auto wishes = read_wishes(source, node);
  if (!wishes) return std::unexpected(wishes.error());
  const auto kernel = read_kernel(source.pins(node));
  if (!kernel)
    return lab::problem(fmt::format("the maps of node {}: {}", node, kernel.error().to_string()),
                        "run as root; culvert maps --name LAB lists what is pinned");
  return diff_maps(*wishes, *kernel);
}

// Asks the agent, which alone writes configuration maps, and says what is left.
lab::Outcome<std::vector<MapDifference>> mend(const MeshSource& source, const std::string& node) {
  if (auto mended = source.post_agent(node, "/mend"); !mended)
    return std::unexpected(mended.error());
  return differences_of(source, node);
}

std::string cell(const std::string& text) {
  return text.empty() ? "-" : text;
}

}  // namespace

int run_maps_diff(const MapsDiffOptions& o) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return fail(source.error());
  const auto nodes = source->nodes(o.node);
  if (!nodes) return fail(nodes.error());
  Table table({"NODE", "MAP", "ENTRY", "STATE", "KERNEL", "WANTED", "WHY"});
  Json documents = Json::array();
  std::size_t fixed = 0, for_ztunnel = 0;
  for (const std::string& node : *nodes) {
    auto found = differences_of(*source, node);
    if (found && o.fix && !found->empty()) {
      const std::size_t before = found->size();
      found = mend(*source, node);
      if (found) fixed += before - std::min(before, found->size());
    }
    if (!found) return fail(found.error());
    for (const MapDifference& d : *found) {
      if (!d.by_agent) for_ztunnel++;
      table.add({node, d.map, d.entry, colored(d.state, Color::kYellow), cell(d.kernel),
                 cell(d.want), d.why});
      Json document{{"node", node}};
      document.update(difference_json(d));
      documents.push_back(std::move(document));
    }
  }
  if (o.output != "table") {
    print_document(o.output, documents);
    return documents.empty() ? 0 : kMapsDiffer;
  }
  if (fixed > 0) fmt::print("{} mended\n", fixed);
  if (documents.empty()) {
    fmt::print("{}\n", colored("the kernel has what the agents want", Color::kGreen));
    return 0;
  }
  fmt::print("{}", table.to_string());
  if (!o.fix) fmt::print("next: culvert maps diff --fix lets the agents mend their maps\n");
  if (for_ztunnel > 0)
    fmt::print("next: culvert lab restart node/NAME ztunnel, for what ztunnel writes itself\n");
  return kMapsDiffer;
}

}  // namespace culvert::cli
