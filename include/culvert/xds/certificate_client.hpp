// CertificateClient: asks the certificate service to sign. Loop thread. One connection, made when
// it is needed and kept for the next request.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "culvert/grpc/channel.hpp"
#include "culvert/io/task.hpp"
#include "culvert/xds/certificate_messages.hpp"
#include "culvert/xds/limits.hpp"

namespace culvert::xds {

class CertificateClient {
 public:
  /// The connector outlives it. `metadata` goes with every request, e.g. authorization and
  /// clusterid.
  explicit CertificateClient(grpc::Connector& connector, grpc::Metadata metadata = {})
      : channel_(connector), metadata_(std::move(metadata)) {}

  /// The chain in PEM, leaf first, at most kMaxChainCertificates; nothing in it was checked yet.
  /// The error is the server's gRPC status, or kUnavailable and kDeadlineExceeded when it was not
  /// reached. Requests may overlap.
  io::Task<std::expected<std::vector<std::string>, grpc::Status>> create(
      CertificateRequest request, std::chrono::milliseconds timeout = kCertificateDeadline);

  /// Awaited before it dies; requests under way fail.
  io::Task<> close();

 private:
  grpc::Channel channel_;
  grpc::Metadata metadata_;
};

}  // namespace culvert::xds
