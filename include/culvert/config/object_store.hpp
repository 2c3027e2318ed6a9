// What is in force: the good objects of a folder, and for a bad one its last good state.
// Owned by control, on its one thread; the maps that it hands out are immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/config/object.hpp"
#include "culvert/config/parse.hpp"

namespace culvert::config {

struct Changes {
  std::vector<ObjectKey> added, changed, removed;
  bool empty() const { return added.empty() && changed.empty() && removed.empty(); }
};

struct LoadReport {
  Changes changes;
  Diagnostics diagnostics;  // of the whole folder, in the order of files and lines
  /// Only false ones: "Accepted" of every object that is not as its file says, "AllHonoured" of
  /// every one in force with fields that have no effect.
  Conditions conditions;
};

class ObjectStore {
 public:
  ObjectStore();

  /// Takes the whole folder as it now is. An object that is bad, given twice, or possibly hidden by
  /// an error in the file that it came from keeps its last good state; without one it is refused.
  /// An object that its complete file, or the folder, no longer has is removed.
  LoadReport load(const std::vector<ParsedFilePtr>& files);
  LoadReport load(std::vector<ParsedFile> files);

  const std::shared_ptr<const ObjectMap>& objects() const { return objects_; }
  /// Those of the last load that are not in force: refused, without a last good state, in the order
  /// of their keys.
  const std::vector<RefusedObject>& refused() const { return refused_; }
  /// Grows by one with every load that changed something: what is in force, or what is refused.
  std::uint64_t generation() const { return generation_; }

 private:
  /// What incomplete files had before, and may still have.
  void keep_hidden(const std::set<ObjectKey>& claimed, const std::set<std::string>& incomplete,
                   ObjectMap& next, Conditions& conditions) const;

  std::shared_ptr<const ObjectMap> objects_;
  std::vector<RefusedObject> refused_;
  std::uint64_t generation_ = 0;
};

}  // namespace culvert::config
