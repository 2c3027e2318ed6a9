// compile() once more after a change: the same result, of which what the change cannot reach is
// kept from before. Owned by control's loop thread.
#pragma once

#include <optional>
#include <span>
#include <unordered_map>

#include "control/compile/compile.hpp"
#include "culvert/config/object_store.hpp"

namespace culvert::control {

/// Resources of objects that go to waypoints as they are, by object.
class EncodedObjects {
 public:
  /// `make()` gives the bytes of an object that is not known.
  template <class Make>
  const Resource& of(const config::ObjectPtr& object, Make make) {
    auto& known = known_[object.get()];
    if (!known.object) known = {object, make_resource(make()), true};
    known.used = true;
    return known.resource;
  }
  /// Forgets those that were not asked for since the last time.
  void sweep();
  std::size_t size() const { return known_.size(); }

 private:
  struct Known {
    config::ObjectPtr object;  // keeps its address
    Resource resource;
    bool used = false;
  };
  std::unordered_map<const config::Object*, Known> known_;
};

/// Whether a change of these can concern Addresses, Authorizations, Labels or identities: not when
/// all of them are VirtualServices or DestinationRules.
bool concerns_mesh(const config::Changes& changes);

class Recompiler {
 public:
  explicit Recompiler(CompileSettings settings) : settings_(std::move(settings)) {}

  /// What compile() gives. `changes`: against the objects of the last call.
  Compiled compile(const config::ObjectMap& objects, std::span<const config::RefusedObject> refused,
                   const config::Changes& changes);

 private:
  const CompileSettings settings_;
  std::optional<Compiled> mesh_;
  EncodedObjects encoded_;
};

}  // namespace culvert::control
