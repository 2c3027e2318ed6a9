// Names of objects and places, for people.
#include "culvert/config/object.hpp"

namespace culvert::config {

std::string ObjectKey::to_string() const {
  return ns.empty() ? kind + " " + name : kind + " " + ns + "/" + name;
}

std::string Place::to_string() const {
  return file + ":" + std::to_string(line);
}

}  // namespace culvert::config
