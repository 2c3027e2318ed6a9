// Messages that are written as something else than a mapping of their fields. Private to
// lib/config.
#pragma once

#include <string>

#include "findings.hpp"
#include "yaml_tree.hpp"

namespace google::protobuf {
class Message;
}
namespace culvert::api {
class Rule;
}

namespace culvert::config {

/// False when `out` is an ordinary message. Durations are read as Go writes them, timestamps as
/// RFC 3339, IntOrString as a number or a string, wrappers as their value, Struct and Value as
/// whatever stands there.
bool read_well_known(const YamlNode& node, google::protobuf::Message& out, const api::Rule& rule,
                     const std::string& path, Findings& findings);

}  // namespace culvert::config
