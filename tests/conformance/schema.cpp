// The messages of VirtualService and DestinationRule as their own descriptors know them.
#include <google/protobuf/descriptor.h>

#include "answer.hpp"
#include "culvert/l7/unsupported.hpp"
#include "destination_rule.pb.h"
#include "virtual_service.pb.h"

namespace culvert::conformance {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

constexpr std::string_view kNetworking = "istio.networking.v1alpha3.";

std::string short_name(const Descriptor& type) {
  const std::string& name = type.full_name();
  return name.starts_with(kNetworking) ? name.substr(kNetworking.size()) : name;
}

void walk(const Descriptor& type, json& out) {
  const auto name = short_name(type);
  if (!type.full_name().starts_with(kNetworking) || out.contains(name)) return;
  auto& fields = out[name] = json::object();
  std::vector<const Descriptor*> below;
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    const auto& value = field.is_map() ? *field.message_type()->map_value() : field;
    const auto* message = value.message_type();
    const bool leaf = !message || !message->full_name().starts_with(kNetworking);
    fields[field.json_name()] = {
        {"map", field.is_map()},
        {"list", field.is_repeated() && !field.is_map()},
        {"message", leaf ? "" : short_name(*message)},
        {"type", leaf && message ? message->name() : std::string(value.type_name())}};
    if (!leaf) below.push_back(message);
  }
  for (const auto* message : below) walk(*message, out);
}

}  // namespace

json schema() {
  json messages = json::object();
  walk(*::istio::networking::v1alpha3::VirtualService::descriptor(), messages);
  walk(*::istio::networking::v1alpha3::DestinationRule::descriptor(), messages);
  json refused = json::array();
  for (const auto& row : l7::unsupported_fields()) {
    refused.push_back(
        {{"message", row.message}, {"field", row.field}, {"value", row.value}, {"why", row.why}});
  }
  return {{"messages", messages}, {"unsupported", refused}};
}

}  // namespace culvert::conformance
