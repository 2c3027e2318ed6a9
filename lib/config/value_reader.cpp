// Scalars into fields, with the rules of field_rules.proto; well-known types are in
// well_known_reader.cpp.
#include "value_reader.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <limits>
#include <optional>

#include "culvert/config/nearest.hpp"
#include "field_rules.pb.h"
#include "formats.hpp"
#include "message_reader.hpp"
#include "scalar.hpp"
#include "well_known_reader.hpp"

namespace culvert::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void expected(const char* what, const YamlNode& node, const std::string& path, Findings& findings) {
  findings.add(node.mark, path, fmt::format("expected {}, got {}", what, describe(node)));
}

void check_rule(const YamlNode& node, const std::string& text, const api::Rule& rule,
                const std::string& path, Findings& findings) {
  if (text.empty() && !rule.required()) return;  // as good as absent
  if (rule.one_of_size() > 0) {
    const std::vector<std::string> allowed(rule.one_of().begin(), rule.one_of().end());
    if (std::ranges::find(allowed, text) == allowed.end()) {
      findings.add(node.mark, path, fmt::format("unknown value \"{}\"", text),
                   nearest(text, allowed));
    }
  }
  if (auto reason = check_format(rule.format(), text)) findings.add(node.mark, path, *reason);
}

void read_string(const YamlNode& node, Message& out, const FieldDescriptor& field,
                 const api::Rule& rule, const std::string& path, Findings& findings) {
  const bool number_is_text = rule.format() == api::QUANTITY;
  if (!is_string(node) && !(number_is_text && node.kind == YamlNode::Kind::kScalar)) {
    const bool quotable = node.kind == YamlNode::Kind::kScalar;
    findings.add(node.mark, path,
                 fmt::format("expected a string, got {}{}", describe(node),
                             quotable ? ": put it in quotes" : ""));
    return;
  }
  check_rule(node, node.text, rule, path, findings);
  const auto* reflection = out.GetReflection();
  if (field.type() == FieldDescriptor::TYPE_BYTES) {
    const auto bytes = parse_base64(node.text);
    if (!bytes) return expected("base64", node, path, findings);
    return field.is_repeated() ? reflection->AddString(&out, &field, *bytes)
                               : reflection->SetString(&out, &field, *bytes);
  }
  if (field.is_repeated()) {
    reflection->AddString(&out, &field, node.text);
  } else {
    reflection->SetString(&out, &field, node.text);
  }
}

template <class T>
std::optional<T> read_integer(const YamlNode& node, const api::Rule& rule, const std::string& path,
                              Findings& findings) {
  const bool scalar = node.kind == YamlNode::Kind::kScalar && node.plain;
  const auto value = scalar ? parse_integer(node.text) : std::nullopt;
  if (!value) {
    expected("a whole number", node, path, findings);
    return std::nullopt;
  }
  const bool fits = *value >= 0
                        ? static_cast<std::uint64_t>(*value) <=
                              static_cast<std::uint64_t>(std::numeric_limits<T>::max())
                        : std::numeric_limits<T>::is_signed &&
                              *value >= static_cast<std::int64_t>(std::numeric_limits<T>::min());
  if (!fits) {
    findings.add(node.mark, path, fmt::format("{} is out of range", node.text));
    return std::nullopt;
  }
  if (rule.format() != api::ANY) {
    // Zero is Kubernetes' way to leave an optional port open.
    if (*value == 0 && !rule.required()) return static_cast<T>(0);
    if (auto reason = check_format(rule.format(), std::to_string(*value))) {
      findings.add(node.mark, path, *reason);
    }
  }
  return static_cast<T>(*value);
}

void read_enum(const YamlNode& node, Message& out, const FieldDescriptor& field,
               const std::string& path, Findings& findings) {
  if (!is_string(node)) return expected("a string", node, path, findings);
  const auto* type = field.enum_type();
  const auto* value = type->FindValueByName(node.text);
  if (!value) {
    std::vector<std::string> names;
    for (int i = 0; i < type->value_count(); ++i) names.push_back(type->value(i)->name());
    findings.add(node.mark, path, fmt::format("unknown value \"{}\"", node.text),
                 nearest(node.text, names));
    return;
  }
  const auto* reflection = out.GetReflection();
  if (field.is_repeated()) {
    reflection->AddEnum(&out, &field, value);
  } else {
    reflection->SetEnum(&out, &field, value);
  }
}

void read_nested(const YamlNode& node, Message& out, const FieldDescriptor& field,
                 const api::Rule& rule, const std::string& path, Findings& findings) {
  const auto* reflection = out.GetReflection();
  auto* nested = field.is_repeated() ? reflection->AddMessage(&out, &field)
                                     : reflection->MutableMessage(&out, &field);
  if (!read_well_known(node, *nested, rule, path, findings)) {
    read_message(node, *nested, path, findings);
  }
}

}  // namespace

void read_value(const YamlNode& node, Message& out, const FieldDescriptor& field,
                const api::Rule& rule, const std::string& path, Findings& findings) {
  const auto* reflection = out.GetReflection();
  const bool add = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return read_string(node, out, field, rule, path, findings);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return read_nested(node, out, field, rule, path, findings);
    case FieldDescriptor::CPPTYPE_ENUM:
      return read_enum(node, out, field, path, findings);
    case FieldDescriptor::CPPTYPE_BOOL: {
      const bool scalar = node.kind == YamlNode::Kind::kScalar && node.plain;
      const auto value = scalar ? parse_bool(node.text) : std::nullopt;
      if (!value) return expected("true or false", node, path, findings);
      add ? reflection->AddBool(&out, &field, *value) : reflection->SetBool(&out, &field, *value);
      return;
    }
    case FieldDescriptor::CPPTYPE_INT32:
      if (auto v = read_integer<std::int32_t>(node, rule, path, findings)) {
        add ? reflection->AddInt32(&out, &field, *v) : reflection->SetInt32(&out, &field, *v);
      }
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      if (auto v = read_integer<std::int64_t>(node, rule, path, findings)) {
        add ? reflection->AddInt64(&out, &field, *v) : reflection->SetInt64(&out, &field, *v);
      }
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      if (auto v = read_integer<std::uint32_t>(node, rule, path, findings)) {
        add ? reflection->AddUInt32(&out, &field, *v) : reflection->SetUInt32(&out, &field, *v);
      }
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      if (auto v = read_integer<std::uint64_t>(node, rule, path, findings)) {
        add ? reflection->AddUInt64(&out, &field, *v) : reflection->SetUInt64(&out, &field, *v);
      }
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT: {
      const bool scalar = node.kind == YamlNode::Kind::kScalar && node.plain;
      const auto value = scalar ? parse_number(node.text) : std::nullopt;
      if (!value) return expected("a number", node, path, findings);
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
        add ? reflection->AddDouble(&out, &field, *value)
            : reflection->SetDouble(&out, &field, *value);
      } else {
        const auto narrow = static_cast<float>(*value);
        add ? reflection->AddFloat(&out, &field, narrow)
            : reflection->SetFloat(&out, &field, narrow);
      }
      return;
    }
  }
}

}  // namespace culvert::config
