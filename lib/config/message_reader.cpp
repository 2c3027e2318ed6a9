// The walk over descriptors. Well-known types and scalars are in value_reader.cpp.
#include "message_reader.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <ranges>

#include "culvert/config/nearest.hpp"
#include "field_rules.pb.h"
#include "formats.hpp"
#include "scalar.hpp"
#include "value_reader.hpp"

namespace culvert::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string join(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

const FieldDescriptor* find_field(const Descriptor& type, const std::string& json_name) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->json_name() == json_name) return type.field(i);
  }
  return nullptr;
}

std::vector<std::string> field_names(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->json_name());
  return names;
}

constexpr std::size_t kMaxSuggested = 64;

/// The nearest of the fields of `type`; else, for a field that belongs to an enclosing message (a
/// "- route:" indented into a list of destinations), its place there.
std::string suggest_field(const Descriptor& type, const std::string& key, const std::string& path,
                          const Findings& findings) {
  auto near = nearest(key, field_names(type));
  if (!near.empty()) return near;
  for (const auto& outer : std::views::reverse(findings.enclosing())) {
    if (outer.type == &type || !find_field(*outer.type, key) || outer.path == path) continue;
    auto place = outer.path;
    if (place.ends_with(']')) place = place.substr(0, place.rfind('[')) + "[]";
    return join(place, key);
  }
  return "";
}

/// The member of the same oneof that `out` already has, or null.
const FieldDescriptor* other_choice(const Message& out, const FieldDescriptor& field) {
  const auto* choice = field.real_containing_oneof();
  return choice ? out.GetReflection()->GetOneofFieldDescriptor(out, choice) : nullptr;
}

const api::Rule& rule_of(const FieldDescriptor& field) {
  return field.options().GetExtension(api::rule);
}

void read_map(const YamlNode& node, Message& out, const FieldDescriptor& field,
              const std::string& path, Findings& findings) {
  if (node.kind != YamlNode::Kind::kMapping) {
    findings.add(node.mark, path, fmt::format("expected a mapping, got {}", describe(node)));
    return;
  }
  const auto* key_field = field.message_type()->map_key();
  const auto* value_field = field.message_type()->map_value();
  for (const auto& [key, mark, value] : node.entries) {
    const auto entry_path = fmt::format("{}[\"{}\"]", path, key);
    findings.place(entry_path, mark);
    auto* entry = out.GetReflection()->AddMessage(&out, &field);
    YamlNode key_node;
    key_node.kind = YamlNode::Kind::kScalar;
    key_node.mark = mark;
    key_node.text = key;
    key_node.plain = key_field->cpp_type() != FieldDescriptor::CPPTYPE_STRING;
    read_value(key_node, *entry, *key_field, api::Rule::default_instance(), entry_path, findings);
    if (value->kind == YamlNode::Kind::kNull && value_field->message_type() == nullptr) {
      findings.add(mark, entry_path, "has no value");
      continue;
    }
    read_value(*value, *entry, *value_field, rule_of(field), entry_path, findings);
  }
}

void read_list(const YamlNode& node, Message& out, const FieldDescriptor& field,
               const std::string& path, Findings& findings) {
  if (node.kind != YamlNode::Kind::kSequence) {
    // One value where a list belongs: "hosts: reviews".
    const bool one = node.kind == YamlNode::Kind::kScalar && !field.message_type() &&
                     node.text.size() <= kMaxSuggested;
    findings.add(node.mark, path, fmt::format("expected a list, got {}", describe(node)),
                 one ? fmt::format("[{}]", node.text) : "");
    return;
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const auto item_path = fmt::format("{}[{}]", path, i);
    findings.place(item_path, node.items[i]->mark);
    if (node.items[i]->kind == YamlNode::Kind::kNull) {
      findings.add(node.items[i]->mark, item_path, "is an empty list item");
      continue;
    }
    read_value(*node.items[i], out, field, rule_of(field), item_path, findings);
  }
}

/// Absent, null, and empty where that says nothing.
bool is_missing(const YamlNode* node) {
  if (!node) return true;
  switch (node->kind) {
    case YamlNode::Kind::kNull:
      return true;
    case YamlNode::Kind::kScalar:
      return node->text.empty();
    case YamlNode::Kind::kSequence:
      return node->items.empty();
    case YamlNode::Kind::kMapping:
      return false;
  }
  return true;
}

void check_required(const YamlNode& node, const Descriptor& type, const std::string& path,
                    Findings& findings) {
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    if (rule_of(field).required() && is_missing(node.find(field.json_name()))) {
      findings.add(node.mark, join(path, field.json_name()), "is required");
    }
  }
}

}  // namespace

void read_message(const YamlNode& node, Message& out, const std::string& path, Findings& findings) {
  if (node.kind != YamlNode::Kind::kMapping) {
    findings.add(node.mark, path, fmt::format("expected a mapping, got {}", describe(node)));
    return;
  }
  const auto& type = *out.GetDescriptor();
  const auto inside = findings.enter(type, path);
  for (const auto& [key, mark, value] : node.entries) {
    const auto field_path = join(path, key);
    const auto* field = find_field(type, key);
    if (!field) {
      findings.add(mark, field_path, "unknown field", suggest_field(type, key, path, findings));
      continue;
    }
    findings.place(field_path, mark);
    if (value->kind == YamlNode::Kind::kNull) continue;
    if (const auto* other = other_choice(out, *field)) {
      findings.add(mark, field_path,
                   fmt::format("only one of {} and {} may be set", other->json_name(), key));
      continue;
    }
    if (field->is_map()) {
      read_map(*value, out, *field, field_path, findings);
    } else if (field->is_repeated()) {
      read_list(*value, out, *field, field_path, findings);
    } else {
      read_value(*value, out, *field, rule_of(*field), field_path, findings);
    }
  }
  check_required(node, type, path, findings);
}

}  // namespace culvert::config
