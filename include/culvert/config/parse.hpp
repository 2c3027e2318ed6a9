// Text to objects. Pure: no file is touched here.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/config/object.hpp"

namespace culvert::config {

inline constexpr std::size_t kMaxFileBytes = 4U << 20;
inline constexpr std::size_t kMaxObjectsPerFile = 20'000;

struct RefusedObject {
  ObjectKey key;
  Place place;
  /// Of a VirtualService or DestinationRule: its hosts as far as they could be read, as they are
  /// written.
  std::vector<std::string> hosts;
  /// The same of a VirtualService's gateways; empty: the mesh.
  std::vector<std::string> gateways;
};

struct ParsedFile {
  std::string file;
  std::vector<ObjectPtr> objects;
  std::vector<RefusedObject> refused;  // named, but not valid
  /// Some object may be missing here: a syntax error, a limit, or one without a name.
  bool complete = true;
  Diagnostics diagnostics;
};
using ParsedFilePtr = std::shared_ptr<const ParsedFile>;

/// Reads the YAML (or JSON) documents of one file; `v1` `List`s are taken apart. Every error of
/// every document is reported. Objects of kinds that Culvert does not read are warnings.
ParsedFile parse_file(const std::string& file, std::string_view text);

}  // namespace culvert::config
