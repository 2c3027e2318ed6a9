#include "culvert/l7/wire_object.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "culvert/l7/unsupported.hpp"
#include "destination_rule.pb.h"
#include "istio_gateway.pb.h"
#include "mcp.pb.h"
#include "virtual_service.pb.h"

namespace culvert::l7 {
namespace {

namespace v1 = ::istio::networking::v1alpha3;
namespace mcp = ::istio::mcp::v1alpha1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// Upstream's numbers are below (lib/proto/virtual_service.proto).
constexpr int kFirstOwnNumber = 50'000;

/// Protocols of a Gateway's servers that an edge serves, without TLS.
constexpr std::array<std::string_view, 4> kPlainHttp{"http", "http2", "grpc", "grpc-web"};

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

void clear_own_fields(Message& message) {
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->number() > kFirstOwnNumber) {
      reflection.ClearField(&message, field);
    } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) {
      continue;  // no map of ours has messages with such fields
    } else if (!field->is_repeated()) {
      clear_own_fields(*reflection.MutableMessage(&message, field));
    } else {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        clear_own_fields(*reflection.MutableRepeatedMessage(&message, field, i));
      }
    }
  }
}

auto wrong(ErrorCode code, const char* text) {
  return fail(code, text, Origin::kControl);
}

/// Reads name, age and spec; the object's other members are the caller's.
template <class Object, class Spec>
Result<Object> parse(std::string_view wire) {
  mcp::Resource resource;
  if (!resource.ParseFromArray(wire.data(), static_cast<int>(wire.size()))) {
    return wrong(ErrorCode::kProtocol, "API object that is no Resource");
  }
  auto spec = std::make_shared<Spec>();
  const auto& url = resource.body().type_url();
  const auto slash = url.rfind('/');
  if (url.substr(slash == std::string::npos ? 0 : slash + 1) != Spec::descriptor()->full_name() ||
      !spec->ParseFromString(resource.body().value())) {
    return wrong(ErrorCode::kProtocol, "API object of another kind");
  }
  const auto& name = resource.metadata().name();
  const auto at = name.find('/');
  if (at == std::string::npos || at == 0 || at + 1 == name.size()) {
    return wrong(ErrorCode::kInvalid, "API object without namespace and name");
  }
  Object object;
  object.ns = name.substr(0, at);
  object.name = name.substr(at + 1);
  object.created = resource.metadata().create_time().seconds();
  if constexpr (requires { object.refused; }) {
    object.refused = resource.metadata().annotations().contains(std::string(kRefusedAnnotation));
  }
  object.spec = std::move(spec);
  return object;
}

}  // namespace

std::string deterministic_bytes(const Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&out);
  }
  return bytes;
}

std::string encode_object(std::string_view ns, std::string_view name, std::int64_t created,
                          const Message& spec, bool refused) {
  const std::unique_ptr<Message> copy(spec.New());
  copy->CopyFrom(spec);
  clear_own_fields(*copy);
  mcp::Resource resource;
  resource.mutable_metadata()->set_name(fmt::format("{}/{}", ns, name));
  resource.mutable_metadata()->mutable_create_time()->set_seconds(created);
  if (refused) {
    (*resource.mutable_metadata()->mutable_annotations())[std::string(kRefusedAnnotation)] = "true";
  }
  resource.mutable_body()->set_type_url("type.googleapis.com/" + spec.GetDescriptor()->full_name());
  resource.mutable_body()->set_value(deterministic_bytes(*copy));
  return deterministic_bytes(resource);
}

Result<VirtualServiceObject> parse_virtual_service(std::string_view wire) {
  auto object = parse<VirtualServiceObject, v1::VirtualService>(wire);
  if (object) object->refused |= is_refused_by_field(*object->spec);
  return object;
}

Result<DestinationRuleObject> parse_destination_rule(std::string_view wire) {
  auto object = parse<DestinationRuleObject, v1::DestinationRule>(wire);
  if (object) object->refused |= is_refused_by_field(*object->spec);
  return object;
}

Result<EdgeObject> parse_edge(std::string_view wire) {
  struct Parsed {
    std::string ns, name;
    std::int64_t created = 0;
    std::shared_ptr<const v1::Gateway> spec;
  };
  auto object = parse<Parsed, v1::Gateway>(wire);
  if (!object) return std::unexpected(object.error());
  EdgeObject out;
  out.key = fmt::format("{}/{}", object->ns, object->name);
  out.selector.insert(object->spec->selector().begin(), object->spec->selector().end());
  for (const auto& server : object->spec->servers()) {
    const std::string protocol = lower(server.port().protocol());
    if (std::ranges::find(kPlainHttp, protocol) == kPlainHttp.end()) continue;
    auto& one = out.servers.emplace_back();
    one.port = static_cast<std::uint16_t>(server.port().number());
    for (const auto& host : server.hosts()) {
      const auto slash = host.find('/');
      auto ns = slash == std::string::npos ? "*" : host.substr(0, slash);
      one.hosts.push_back({ns == "." ? object->ns : std::move(ns), lower(host.substr(slash + 1))});
    }
  }
  return out;
}

}  // namespace culvert::l7
