// Duration, Timestamp, IntOrString, wrappers, Struct and Value.
#include "well_known_reader.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <limits>

#include "field_rules.pb.h"
#include "formats.hpp"
#include "kubernetes.pb.h"
#include "scalar.hpp"
#include "value_reader.hpp"

namespace culvert::config {
namespace {

namespace pb = google::protobuf;

void expected(const char* what, const YamlNode& node, const std::string& path, Findings& findings) {
  findings.add(node.mark, path, fmt::format("expected {}, got {}", what, describe(node)));
}

void to_value(const YamlNode& node, pb::Value& out);

void to_struct(const YamlNode& node, pb::Struct& out) {
  for (const auto& entry : node.entries) to_value(*entry.value, (*out.mutable_fields())[entry.key]);
}

void to_value(const YamlNode& node, pb::Value& out) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      out.set_null_value(pb::NULL_VALUE);
      return;
    case YamlNode::Kind::kMapping:
      to_struct(node, *out.mutable_struct_value());
      return;
    case YamlNode::Kind::kSequence:
      out.mutable_list_value();
      for (const auto& item : node.items) to_value(*item, *out.mutable_list_value()->add_values());
      return;
    case YamlNode::Kind::kScalar:
      break;
  }
  const auto boolean = node.plain ? parse_bool(node.text) : std::nullopt;
  const auto number = node.plain && !boolean ? parse_number(node.text) : std::nullopt;
  if (boolean) {
    out.set_bool_value(*boolean);
  } else if (number) {
    out.set_number_value(*number);
  } else {
    out.set_string_value(node.text);
  }
}

void read_duration(const YamlNode& node, pb::Duration& out, const std::string& path,
                   Findings& findings) {
  const bool scalar = node.kind == YamlNode::Kind::kScalar;
  const auto value = scalar ? parse_duration(node.text) : std::nullopt;
  if (!value) return expected("a duration such as \"1.5s\" or \"1h30m\"", node, path, findings);
  out = pb::util::TimeUtil::NanosecondsToDuration(value->count());
}

void read_timestamp(const YamlNode& node, pb::Timestamp& out, const std::string& path,
                    Findings& findings) {
  const bool scalar = node.kind == YamlNode::Kind::kScalar;
  if (!scalar || !pb::util::TimeUtil::FromString(node.text, &out)) {
    expected("a time such as \"2026-01-02T03:04:05Z\"", node, path, findings);
  }
}

void read_int_or_string(const YamlNode& node, api::k8s::IntOrString& out, const api::Rule& rule,
                        const std::string& path, Findings& findings) {
  if (node.kind != YamlNode::Kind::kScalar) {
    return expected("a number or a string", node, path, findings);
  }
  std::optional<std::int64_t> number;
  if (node.plain) number = parse_integer(node.text);
  if (!number && !is_string(node)) {
    return expected("a whole number or a string", node, path, findings);
  }
  if (number) {
    if (*number < std::numeric_limits<std::int32_t>::min() ||
        *number > std::numeric_limits<std::int32_t>::max()) {
      findings.add(node.mark, path, fmt::format("{} is out of range", node.text));
      return;
    }
    out.set_number(static_cast<std::int32_t>(*number));
  } else {
    out.set_text(node.text);
  }
  const auto format = number || rule.format() != api::PORT ? rule.format() : api::PORT_NAME;
  if (auto reason = check_format(format, number ? std::to_string(*number) : node.text)) {
    findings.add(node.mark, path, *reason);
  }
}

bool is_wrapper(std::string_view name) {
  for (auto wrapper : {"BoolValue", "StringValue", "Int32Value", "UInt32Value", "Int64Value",
                       "UInt64Value", "DoubleValue", "FloatValue"}) {
    if (name == std::string("google.protobuf.") + wrapper) return true;
  }
  return false;
}

}  // namespace

bool read_well_known(const YamlNode& node, pb::Message& out, const api::Rule& rule,
                     const std::string& path, Findings& findings) {
  const auto& name = out.GetDescriptor()->full_name();
  if (auto* value = dynamic_cast<pb::Value*>(&out)) {
    to_value(node, *value);
  } else if (auto* object = dynamic_cast<pb::Struct*>(&out)) {
    if (node.kind == YamlNode::Kind::kMapping) {
      to_struct(node, *object);
    } else {
      expected("a mapping", node, path, findings);
    }
  } else if (auto* duration = dynamic_cast<pb::Duration*>(&out)) {
    read_duration(node, *duration, path, findings);
  } else if (auto* time = dynamic_cast<pb::Timestamp*>(&out)) {
    read_timestamp(node, *time, path, findings);
  } else if (auto* either = dynamic_cast<api::k8s::IntOrString*>(&out)) {
    read_int_or_string(node, *either, rule, path, findings);
  } else if (is_wrapper(name)) {
    read_value(node, out, *out.GetDescriptor()->field(0), rule, path, findings);
  } else {
    return false;
  }
  return true;
}

}  // namespace culvert::config
