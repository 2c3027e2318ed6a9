// Which fields of messages no row speaks of.
#pragma once

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "culvert/l7/unsupported.hpp"

namespace culvert::l7::test {

inline constexpr std::string_view kNetworking = "istio.networking.v1alpha3.";

/// Refused whatever its value is.
inline bool always_refused(std::string_view message, std::string_view field) {
  return std::ranges::any_of(unsupported_fields(), [&](const UnsupportedField& row) {
    return row.message == message && row.field == field && row.value.empty() &&
           row.consequence == Consequence::kObjectRefused;
  });
}

/// "MESSAGE.jsonName" of each field below `type` that is neither in `covered` nor refused. Fields
/// of refused fields need nothing.
inline void uncovered(const google::protobuf::Descriptor& type,
                      const std::set<std::string>& covered, std::set<std::string>& seen,
                      std::vector<std::string>& out) {
  std::string name = type.full_name();
  if (!name.starts_with(kNetworking) || !seen.insert(name).second) return;
  name.erase(0, kNetworking.size());
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    if (always_refused(name, field.json_name())) continue;
    const auto full = name + "." + field.json_name();
    if (!covered.contains(full)) out.push_back(full);
    const auto* below =
        field.is_map() ? field.message_type()->map_value()->message_type() : field.message_type();
    if (below) uncovered(*below, covered, seen, out);
  }
}

inline std::vector<std::string> uncovered(const char* root, const std::set<std::string>& covered) {
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
      std::string(kNetworking) + root);
  std::set<std::string> seen;
  std::vector<std::string> out;
  if (type) uncovered(*type, covered, seen, out);
  return type ? out : std::vector<std::string>{"no such message"};
}

}  // namespace culvert::l7::test
