// One value of a field: scalars, enums, well-known types and nested messages. Private to
// lib/config.
#pragma once

#include <string>

#include "findings.hpp"
#include "yaml_tree.hpp"

namespace google::protobuf {
class FieldDescriptor;
class Message;
}  // namespace google::protobuf
namespace culvert::api {
class Rule;
}

namespace culvert::config {

/// Sets `field` of `out`, or adds to it when it is repeated, from `node`, which is not null.
void read_value(const YamlNode& node, google::protobuf::Message& out,
                const google::protobuf::FieldDescriptor& field, const api::Rule& rule,
                const std::string& path, Findings& findings);

}  // namespace culvert::config
