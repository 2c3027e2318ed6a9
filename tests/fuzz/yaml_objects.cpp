// API objects from YAML: reading is deterministic, every refusal has a diagnostic with a place, the
// store takes what was read and gives it up again, and all that it holds can be compiled: by
// ztunnels and by waypoints.
#include <google/protobuf/message.h>

#include <algorithm>
#include <memory>

#include "control/compile/compile.hpp"
#include "culvert/config/object_store.hpp"
#include "culvert/xds/resources.hpp"
#include "property.hpp"
#include "waypoint/control/link_options.hpp"
#include "waypoint/control/view_feed.hpp"

using namespace culvert;
using fuzz::require;

namespace {

bool equal(const config::ParsedFile& a, const config::ParsedFile& b) {
  const auto text = [](const Diagnostics& all) {
    std::string out;
    for (const auto& one : all) out += one.to_string() + "\n";
    return out;
  };
  return a.complete == b.complete && text(a.diagnostics) == text(b.diagnostics) &&
         std::ranges::equal(a.objects, b.objects, [](const auto& x, const auto& y) {
           return x->key == y->key && x->bytes == y->bytes;
         });
}

void check_object(const config::Object& object) {
  const std::unique_ptr<google::protobuf::Message> copy(object.message->New());
  require(copy->ParseFromString(object.bytes), "an object's bytes are its message");
  require(copy->ByteSizeLong() == object.message->ByteSizeLong(), "all of it");
  require(!object.key.kind.empty() && !object.key.name.empty(), "an object has a name");
}

void check_diagnostics(const config::ParsedFile& file, std::string_view text) {
  const auto lines = std::ranges::count(text, '\n') + std::ranges::count(text, '\r') + 1;
  bool error = false;
  for (const auto& one : file.diagnostics) {
    require(one.line >= 0 && one.line <= lines + 1, "a diagnostic's line is in the file");
    require(!one.reason.empty(), "a diagnostic says what is wrong");
    error = error || one.severity == Diagnostic::Severity::kError;
  }
  require(error || (file.complete && file.refused.empty()), "every refusal has a diagnostic");
}

// Whatever a person writes that control takes, ztunnel takes too.
void check_compiled(const control::ResourceSet& resources) {
  for (const auto& [name, resource] : resources.at(std::string(xds::kAddressType))) {
    require(xds::parse_address(resource.bytes, "cluster.local").has_value(),
            "ztunnel takes every address that control makes");
  }
  for (const auto& [name, resource] : resources.at(std::string(xds::kAuthorizationType))) {
    const auto policy = xds::parse_authorization(resource.bytes);
    require(policy.has_value(), "ztunnel takes every policy that control makes");
    require(policy->key() == name, "a policy's key is its name");
  }
}

std::vector<xds::AddedResource> all_of(const control::Resources& by_name) {
  std::vector<xds::AddedResource> out;
  for (const auto& [name, resource] : by_name) {
    out.push_back({name, resource.version, resource.bytes});
  }
  return out;
}

// Everything that control makes, type by type, as a waypoint or an edge asks for it.
void check_routed(const control::ResourceSet& resources, bool edge) {
  waypoint::Settings settings;
  settings.edge = edge;
  settings.pod_ips = {IpAddress::v4(10, 0, 0, 5)};
  const auto types = waypoint::link_options(settings).type_urls;
  waypoint::ViewFeed feed("cluster.local", edge ? "web" : "", {.own_namespace = "shop"},
                          [](const auto&) {});
  for (const auto& type : types) {
    if (!resources.contains(type)) continue;
    require(feed.apply(type, all_of(resources.at(type)), {}).empty(),
            "a waypoint takes all that control makes");
  }
  require(feed.view()->routes != nullptr, "its routes are compiled");
  for (const auto& type : types) {
    if (!resources.contains(type)) continue;
    std::vector<std::string> names;
    for (const auto& [name, resource] : resources.at(type)) names.push_back(name);
    require(feed.apply(type, {}, std::move(names)).empty(), "and gives it up again");
  }
}

void check_store(const config::ParsedFile& file) {
  config::ObjectStore store;
  const auto first = store.load({file});
  require(first.changes.added.size() == store.objects()->size(), "what is new is said");
  const auto compiled = control::compile(*store.objects(), {});
  require(control::compile(*store.objects(), {}).resources == compiled.resources,
          "equal objects give equal resources");
  check_compiled(compiled.resources);
  check_routed(compiled.resources, false);
  check_routed(compiled.resources, true);
  require(store.load({file}).changes.empty(), "the same again changes nothing");
  config::ParsedFile gone;
  gone.file = file.file;
  const auto last = store.load({gone});
  require(store.objects()->empty() && last.changes.removed.size() == first.changes.added.size(),
          "what its file no longer has is removed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of({data, size});
  const auto file = config::parse_file("fuzz.yaml", text);
  require(equal(file, config::parse_file("fuzz.yaml", text)), "reading is deterministic");
  for (const auto& object : file.objects) check_object(*object);
  check_diagnostics(file, text);
  check_store(file);
  return 0;
}
