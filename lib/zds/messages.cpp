// ZDS messages to and from protobuf.
#include "culvert/zds/messages.hpp"

#include <algorithm>
#include <climits>

#include "zds.pb.h"

namespace culvert::zds {
namespace {

namespace proto = istio::workload::zds;

template <class Message>
Result<Message> parse(std::span<const std::byte> packet) {
  if (packet.size() > kMaxPacketBytes) return fail(ErrorCode::kLimit, "ZDS packet over 1024 bytes");
  Message message;
  if (!message.ParseFromArray(packet.data(), static_cast<int>(packet.size()))) {
    return fail(ErrorCode::kProtocol, "ZDS packet that is not protobuf");
  }
  return message;
}

bool is_uid(std::string_view uid) {
  return !uid.empty() && uid.size() <= kMaxUidBytes;
}

std::string_view uid_of(const Request& request) {
  if (const auto* add = std::get_if<Add>(&request)) return add->workload.uid;
  if (const auto* keep = std::get_if<Keep>(&request)) return keep->uid;
  if (const auto* del = std::get_if<Del>(&request)) return del->uid;
  return {};
}

Result<Request> judged(Request request) {
  if (!is_uid(uid_of(request))) {
    return fail(ErrorCode::kProtocol, "ZDS request without a proper uid");
  }
  return request;
}

}  // namespace

Result<std::string> encode(const Request& request) {
  if (!std::holds_alternative<SnapshotSent>(request) && !is_uid(uid_of(request))) {
    return fail(ErrorCode::kInvalid, "workload uid is empty or over 128 bytes");
  }
  proto::WorkloadRequest message;
  if (const auto* add = std::get_if<Add>(&request)) {
    message.mutable_add()->set_uid(add->workload.uid);
    auto& info = *message.mutable_add()->mutable_workload_info();
    info.set_name(add->workload.name);
    info.set_namespace_(add->workload.namespace_name);
    info.set_service_account(add->workload.service_account);
  } else if (const auto* keep = std::get_if<Keep>(&request)) {
    message.mutable_keep()->set_uid(keep->uid);
  } else if (const auto* del = std::get_if<Del>(&request)) {
    message.mutable_del()->set_uid(del->uid);
  } else {
    message.mutable_snapshot_sent();
  }
  auto packet = message.SerializeAsString();
  if (packet.size() > kMaxPacketBytes) return fail(ErrorCode::kLimit, "ZDS packet over 1024 bytes");
  return packet;
}

Result<Request> decode_request(std::span<const std::byte> packet) {
  auto message = parse<proto::WorkloadRequest>(packet);
  if (!message) return std::unexpected(message.error());
  switch (message->payload_case()) {
    case proto::WorkloadRequest::kAdd: {
      const auto& info = message->add().workload_info();
      return judged(Add{{.uid = message->add().uid(),
                         .name = info.name(),
                         .namespace_name = info.namespace_(),
                         .service_account = info.service_account()}});
    }
    case proto::WorkloadRequest::kKeep:
      return judged(Keep{message->keep().uid()});
    case proto::WorkloadRequest::kDel:
      return judged(Del{message->del().uid()});
    case proto::WorkloadRequest::kSnapshotSent:
      return SnapshotSent{};
    case proto::WorkloadRequest::PAYLOAD_NOT_SET:
      break;
  }
  return fail(ErrorCode::kProtocol, "ZDS packet with no known request");
}

std::string encode_ack(std::string_view error) {
  std::string text(error.substr(0, kMaxAckErrorBytes));
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  proto::WorkloadResponse message;
  message.mutable_ack()->set_error(text);
  return message.SerializeAsString();
}

Result<Ack> decode_ack(std::span<const std::byte> packet) {
  const auto message = parse<proto::WorkloadResponse>(packet);
  if (!message) return std::unexpected(message.error());
  if (!message->has_ack()) return fail(ErrorCode::kProtocol, "ZDS packet that is no ack");
  return Ack{message->ack().error()};
}

std::string encode_hello() {
  proto::ZdsHello message;
  message.set_version(proto::V1);
  return message.SerializeAsString();
}

Result<void> check_hello(std::span<const std::byte> packet) {
  const auto message = parse<proto::ZdsHello>(packet);
  if (!message) return std::unexpected(message.error());
  if (message->version() != proto::V1) {
    return fail(ErrorCode::kProtocol, "ZDS hello of a version that is not 1");
  }
  return {};
}

}  // namespace culvert::zds
