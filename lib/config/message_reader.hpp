// A YAML tree into a protobuf message, by the message's descriptor: field by field, all problems
// at once, each with its place. Stricter than protobuf's JSON parser: unknown fields, wrong types,
// unknown enum values and lists given as scalars are refused. Private to lib/config.
#pragma once

#include <string>

#include "findings.hpp"
#include "yaml_tree.hpp"

namespace google::protobuf {
class Message;
}

namespace culvert::config {

/// Reads `node` (a mapping) into `out`. `path` is the field path of `node`, "" at the top. A null
/// is an absent field. What could be read is in `out` also when there were problems.
void read_message(const YamlNode& node, google::protobuf::Message& out, const std::string& path,
                  Findings& findings);

}  // namespace culvert::config
