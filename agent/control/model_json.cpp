#include "model_json.hpp"

#include <nlohmann/json.hpp>

#include "culvert/l7/wire_object.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::control {
namespace {

using Json = nlohmann::ordered_json;

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

Json bytes_of(const xds::ResourceSet& resources, std::string_view type) {
  Json out = Json::object();
  const auto found = resources.types.find(type);
  if (found == resources.types.end()) return out;
  for (const auto& [name, resource] : found->second) out[name] = hex(resource.bytes);
  return out;
}

}  // namespace

std::string model_json(const View& view) {
  Json out = {{"generation", view.generation},
              {"addresses", bytes_of(*view.resources, xds::kAddressType)},
              {"authorizations", bytes_of(*view.resources, xds::kAuthorizationType)},
              {"virtual_services", bytes_of(*view.resources, l7::kVirtualServiceType)},
              {"destination_rules", bytes_of(*view.resources, l7::kDestinationRuleType)},
              {"gateways", bytes_of(*view.resources, l7::kGatewayType)},
              {"objects", Json::array()}};
  for (const auto& [key, object] : *view.objects) {
    out["objects"].push_back({{"kind", key.kind},
                              {"namespace", key.ns},
                              {"name", key.name},
                              {"file", object->place.file},
                              {"line", object->place.line}});
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace culvert::control
