// Files from which daemons go on after a restart: a frame gives exactly what was written or
// nothing, and content that got past it is what encoding would have written, or is refused. Input:
// a byte that chooses what is read, then it.
#include <google/protobuf/stubs/logging.h>

#include "control/compile/compile.hpp"
#include "culvert/base/log.hpp"
#include "culvert/base/state_file.hpp"
#include "culvert/config/object_store.hpp"
#include "culvert/config/saved_objects.hpp"
#include "culvert/proxy/mesh_feed.hpp"
#include "culvert/proxy/saved_config.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

constexpr std::string_view kKind = "CVXDSCFG";
constexpr std::uint32_t kFormat = 1;

void check_frame(std::string_view file) {
  const auto content = unframe_state(kKind, kFormat, file);
  if (content) require(frame_state(kKind, kFormat, *content) == file, "only what was written");
}

// Three bytes say where a good frame is damaged, and how.
void check_damage(std::span<const std::uint8_t> input) {
  const std::size_t high = fuzz::take_byte(input), low = fuzz::take_byte(input);
  const auto change = fuzz::take_byte(input);
  auto file = frame_state(kKind, kFormat, fuzz::text_of(input));
  const auto whole = unframe_state(kKind, kFormat, file);
  require(whole && *whole == fuzz::text_of(input), "a frame gives what was put in");
  auto& byte = file[(high << 8 | low) % file.size()];
  byte = static_cast<char>(byte ^ change);
  require(unframe_state(kKind, kFormat, file).has_value() == (change == 0), "damage is found");
  file.pop_back();
  require(!unframe_state(kKind, kFormat, file), "a cut is found");
}

// What ztunnel keeps of xDS.
void check_resources(std::string_view content) {
  const auto types = proxy::decode_resources(content);
  if (!types) return;
  const auto again = proxy::decode_resources(proxy::encode_resources(*types));
  require(again && *again == *types, "what was saved is read as it was");
  proxy::MeshFeed feed("cluster.local", [](const mesh::SnapshotPtr&) {});
  for (const auto& [url, resources] : *types) {
    std::vector<xds::AddedResource> added;
    for (const auto& [name, one] : resources) added.push_back({name, one.version, one.bytes});
    const auto rejected = feed.apply(url, added, {});
    require(rejected.size() <= added.size(), "at most what was saved is rejected");
  }
}

// What control keeps of the folder.
void check_objects(std::string_view content) {
  const auto saved = config::decode_objects(content);
  if (!saved) return;
  config::ObjectStore store;
  store.load(*saved);
  const auto written = config::encode_objects(*store.objects());
  const auto again = config::decode_objects(written);
  require(again.has_value(), "what is in force can be saved");
  config::ObjectStore other;
  other.load(*again);
  require(config::encode_objects(*other.objects()) == written, "and is the same afterwards");
  (void)control::compile(*store.objects(), {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  log::set_level(log::Level::kError);
  google::protobuf::SetLogHandler(nullptr);
  std::span<const std::uint8_t> input(data, size);
  const auto kind = fuzz::take_byte(input) % 4;
  if (kind == 0) check_frame(fuzz::text_of(input));
  if (kind == 1) check_damage(input);
  if (kind == 2) check_resources(fuzz::text_of(input));
  if (kind == 3) check_objects(fuzz::text_of(input));
  return 0;
}
