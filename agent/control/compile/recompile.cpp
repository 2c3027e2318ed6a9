#include "control/compile/recompile.hpp"

#include <algorithm>

#include "control/compile/mesh_objects.hpp"

namespace culvert::control {

void EncodedObjects::sweep() {
  std::erase_if(known_, [](const auto& entry) { return !entry.second.used; });
  for (auto& [object, known] : known_) known.used = false;
}

bool concerns_mesh(const config::Changes& changes) {
  const auto concerns = [](const config::ObjectKey& key) {
    return key.kind != "VirtualService" && key.kind != "DestinationRule";
  };
  return std::ranges::any_of(changes.added, concerns) ||
         std::ranges::any_of(changes.changed, concerns) ||
         std::ranges::any_of(changes.removed, concerns);
}

Compiled Recompiler::compile(const config::ObjectMap& objects,
                             std::span<const config::RefusedObject> refused,
                             const config::Changes& changes) {
  if (!mesh_ || concerns_mesh(changes)) mesh_ = compile_mesh(objects, settings_);
  Compiled out = *mesh_;
  add_routing_objects(objects, refused, encoded_, out.resources);
  encoded_.sweep();
  return out;
}

}  // namespace culvert::control
