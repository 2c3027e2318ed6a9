#include "zds_messages.hpp"

#include <zds.pb.h>

namespace culvert::agent {

namespace zds = istio::workload::zds;

std::string encode(const Step& step) {
  zds::WorkloadRequest request;
  if (const auto* add = std::get_if<AddPod>(&step)) {
    zds::AddWorkload& message = *request.mutable_add();
    message.set_uid(add->pod.spec.uid);
    message.mutable_workload_info()->set_name(add->pod.spec.name);
    message.mutable_workload_info()->set_namespace_(add->pod.spec.pod_namespace);
    message.mutable_workload_info()->set_service_account(add->pod.spec.service_account);
  } else if (const auto* remove = std::get_if<RemovePod>(&step)) {
    request.mutable_del()->set_uid(remove->uid);
  } else {
    request.mutable_snapshot_sent();
  }
  return request.SerializeAsString();
}

Result<void> decode_hello(std::span<const std::uint8_t> packet) {
  zds::ZdsHello hello;
  if (!hello.ParseFromArray(packet.data(), static_cast<int>(packet.size())) || hello.version() != zds::V1) {
    return fail(ErrorCode::kProtocol, "read ztunnel's hello", Origin::kClient);
  }
  return {};
}

Result<std::string> decode_ack(std::span<const std::uint8_t> packet) {
  zds::WorkloadResponse response;
  if (!response.ParseFromArray(packet.data(), static_cast<int>(packet.size())) || !response.has_ack()) {
    return fail(ErrorCode::kProtocol, "read ztunnel's answer", Origin::kClient);
  }
  return response.ack().error();
}

}  // namespace culvert::agent
