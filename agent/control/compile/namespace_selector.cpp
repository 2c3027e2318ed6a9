#include "control/compile/namespace_selector.hpp"

#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>

#include <algorithm>

namespace culvert::control {
namespace {

using google::protobuf::Value;

constexpr const char* kNameLabel = "kubernetes.io/metadata.name";

const Value* member(const Value& value, const std::string& name) {
  if (!value.has_struct_value()) return nullptr;
  const auto it = value.struct_value().fields().find(name);
  return it == value.struct_value().fields().end() ? nullptr : &it->second;
}

}  // namespace

std::expected<NamespaceSelector::Requirement, std::string> NamespaceSelector::read_expression(
    const Value& value) {
  const auto* key = member(value, "key");
  if (!key || key->string_value().empty()) return std::unexpected("key is required");
  const auto* written = member(value, "operator");
  const std::string op = written ? written->string_value() : "";
  Requirement out{key->string_value(), Operator::kIn, {}};
  if (op == "NotIn") {
    out.op = Operator::kNotIn;
  } else if (op == "Exists") {
    out.op = Operator::kExists;
  } else if (op == "DoesNotExist") {
    out.op = Operator::kDoesNotExist;
  } else if (op != "In") {
    return std::unexpected("operator must be one of In, NotIn, Exists, DoesNotExist");
  }
  if (const auto* values = member(value, "values")) {
    for (const auto& one : values->list_value().values()) {
      if (!one.has_string_value()) return std::unexpected("values must be texts");
      out.values.insert(one.string_value());
    }
  }
  const bool compares = out.op == Operator::kIn || out.op == Operator::kNotIn;
  if (compares == out.values.empty()) {
    return std::unexpected(compares ? "values are required with In and NotIn"
                                    : "values must not be there with Exists and DoesNotExist");
  }
  return out;
}

std::expected<NamespaceSelector, std::string> NamespaceSelector::read(const Value& value) {
  if (!value.has_struct_value()) return std::unexpected("must be an object");
  NamespaceSelector out;
  for (const auto& [name, part] : value.struct_value().fields()) {
    if (name == "matchLabels") {
      for (const auto& [key, wanted] : part.struct_value().fields()) {
        out.requirements_.push_back({key, Operator::kIn, {wanted.string_value()}});
      }
    } else if (name == "matchExpressions") {
      for (int i = 0; i < part.list_value().values_size(); ++i) {
        auto read = read_expression(part.list_value().values(i));
        if (!read) {
          return std::unexpected(fmt::format("matchExpressions[{}].{}", i, read.error()));
        }
        out.requirements_.push_back(std::move(*read));
      }
    } else {
      return std::unexpected(fmt::format("{} is unknown", name));
    }
  }
  return out;
}

bool NamespaceSelector::selects(const std::string& ns, const policy::Labels& labels) const {
  return std::ranges::all_of(requirements_, [&](const Requirement& one) {
    const auto found = labels.find(one.key);
    const bool is_name = one.key == kNameLabel;
    const bool there = is_name || found != labels.end();
    const auto& value = is_name ? ns : found == labels.end() ? one.key : found->second;
    switch (one.op) {
      case Operator::kIn:
        return there && one.values.contains(value);
      case Operator::kNotIn:
        return !there || !one.values.contains(value);
      case Operator::kExists:
        return there;
      case Operator::kDoesNotExist:
        return !there;
    }
    return false;
  });
}

}  // namespace culvert::control
