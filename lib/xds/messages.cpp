// Delta xDS messages from and to their wire form.
#include "culvert/xds/messages.hpp"

#include "culvert/xds/limits.hpp"
#include "discovery.pb.h"

namespace culvert::xds {
namespace {

namespace wire = envoy::service::discovery::v3;

template <class Message>
Result<Message> parse(std::string_view bytes, std::size_t max_bytes, Origin origin,
                      const char* what) {
  if (bytes.size() > max_bytes)
    return fail(ErrorCode::kLimit, "discovery message too large", origin);
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kProtocol, what, origin);
  }
  return message;
}

Node read_node(wire::Node& in) {
  Node out{std::move(*in.mutable_id()), std::move(*in.mutable_cluster()), {}};
  for (auto& [key, value] : *in.mutable_metadata()->mutable_fields()) {
    if (value.kind_case() == google::protobuf::Value::kStringValue) {
      out.metadata.emplace(key, std::move(*value.mutable_string_value()));
    }
  }
  return out;
}

void write_node(const Node& in, wire::Node& out) {
  out.set_id(in.id);
  out.set_cluster(in.cluster);
  auto& fields = *out.mutable_metadata()->mutable_fields();
  for (const auto& [key, value] : in.metadata) fields[key].set_string_value(value);
}

template <class Repeated>
std::vector<std::string> take_strings(Repeated* in) {
  std::vector<std::string> out;
  out.reserve(static_cast<std::size_t>(in->size()));
  for (auto& text : *in) out.push_back(std::move(text));
  return out;
}

}  // namespace

std::string serialize(const DeltaRequest& request) {
  wire::DeltaDiscoveryRequest out;
  if (request.node) write_node(*request.node, *out.mutable_node());
  out.set_type_url(request.type_url);
  for (const auto& name : request.subscribe) out.add_resource_names_subscribe(name);
  for (const auto& name : request.unsubscribe) out.add_resource_names_unsubscribe(name);
  auto& versions = *out.mutable_initial_resource_versions();
  for (const auto& [name, version] : request.initial_versions) versions[name] = version;
  out.set_response_nonce(request.nonce);
  if (request.refusal) {
    out.mutable_error_detail()->set_code(request.refusal->code);
    out.mutable_error_detail()->set_message(request.refusal->message);
  }
  return out.SerializeAsString();
}

std::string serialize(const DeltaResponse& response) {
  wire::DeltaDiscoveryResponse out;
  out.set_type_url(response.type_url);
  out.set_nonce(response.nonce);
  out.set_system_version_info(response.system_version);
  for (const auto& resource : response.resources) {
    auto* r = out.add_resources();
    r->set_name(resource.name);
    r->set_version(resource.version);
    r->mutable_resource()->set_type_url(resource.type_url);
    r->mutable_resource()->set_value(resource.bytes);
  }
  for (const auto& name : response.removed) out.add_removed_resources(name);
  return out.SerializeAsString();
}

Result<DeltaRequest> parse_delta_request(std::string_view bytes) {
  auto in = parse<wire::DeltaDiscoveryRequest>(bytes, kMaxRequestBytes, Origin::kClient,
                                               "malformed DeltaDiscoveryRequest");
  if (!in) return std::unexpected(in.error());
  DeltaRequest out;
  if (in->has_node()) out.node = read_node(*in->mutable_node());
  out.type_url = std::move(*in->mutable_type_url());
  out.subscribe = take_strings(in->mutable_resource_names_subscribe());
  out.unsubscribe = take_strings(in->mutable_resource_names_unsubscribe());
  for (auto& [name, version] : *in->mutable_initial_resource_versions()) {
    out.initial_versions.emplace(name, std::move(version));
  }
  out.nonce = std::move(*in->mutable_response_nonce());
  if (in->has_error_detail()) {
    out.refusal = Refusal{in->error_detail().code(),
                          std::move(*in->mutable_error_detail()->mutable_message())};
  }
  return out;
}

Result<DeltaResponse> parse_delta_response(std::string_view bytes) {
  auto in = parse<wire::DeltaDiscoveryResponse>(bytes, kMaxResponseBytes, Origin::kControl,
                                                "malformed DeltaDiscoveryResponse");
  if (!in) return std::unexpected(in.error());
  DeltaResponse out;
  out.type_url = std::move(*in->mutable_type_url());
  out.nonce = std::move(*in->mutable_nonce());
  out.system_version = std::move(*in->mutable_system_version_info());
  out.resources.reserve(static_cast<std::size_t>(in->resources_size()));
  for (auto& r : *in->mutable_resources()) {
    out.resources.push_back({std::move(*r.mutable_name()), std::move(*r.mutable_version()),
                             std::move(*r.mutable_resource()->mutable_type_url()),
                             std::move(*r.mutable_resource()->mutable_value())});
  }
  out.removed = take_strings(in->mutable_removed_resources());
  return out;
}

std::string_view cut_text(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace culvert::xds
