// Istio's certificate service. Who asks is known by the socket it came in on: a node gets
// certificates for the identities of its own pods only, a waypoint or edge for its own alone,
// whatever the request itself names as SAN.
// Loop thread.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <string_view>

#include "culvert/certs/certificate_authority.hpp"
#include "culvert/grpc/server.hpp"
#include "view.hpp"

namespace culvert::control {

inline constexpr std::size_t kMaxCertificateRequestBytes = 64U << 10;

struct CertificateOrder {
  std::string csr;       // PEM
  std::string identity;  // checked
  std::chrono::seconds lifetime{0};
};

/// Reads a serialized IstioCertificateRequest from `peer` (peers.hpp) and judges it. Pure.
/// kInvalidArgument: no such message, a negative lifetime; kPermissionDenied: no
/// ImpersonatedIdentity, or none that the peer may have.
std::expected<CertificateOrder, grpc::Status> judge_request(std::string_view request,
                                                            std::string_view peer,
                                                            const View& view);

class CertificateService final : public grpc::Method {
 public:
  /// No certificate lives longer than `longest`, whatever is asked.
  CertificateService(certs::CertificateAuthority authority, std::chrono::seconds longest)
      : authority_(std::move(authority)), longest_(longest) {}
  io::Task<grpc::Status> serve(grpc::ServerCall& call) override;
  void publish(ViewPtr view) { view_ = std::move(view); }

 private:
  certs::CertificateAuthority authority_;
  std::chrono::seconds longest_;
  ViewPtr view_ = std::make_shared<View>();
};

}  // namespace culvert::control
