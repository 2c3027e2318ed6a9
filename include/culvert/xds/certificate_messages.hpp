// The certificate service's messages as values, and their wire form (lib/proto/citadel.proto, which
// is istio.v1.auth). Pure; no protobuf type appears here.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/error.hpp"

namespace culvert::xds {

inline constexpr const char* kCreateCertificateMethod =
    "/istio.v1.auth.IstioCertificateService/CreateCertificate";

struct CertificateRequest {
  std::string csr_pem;
  std::chrono::seconds validity{24 * 3600};
  std::string identity;  // metadata "ImpersonatedIdentity": "spiffe://..."; empty: the caller's own
};

std::string serialize(const CertificateRequest& request);
/// kProtocol: no such message. What is in the fields is not judged.
Result<CertificateRequest> parse_certificate_request(std::string_view wire);

/// PEM, from the leaf to the root.
std::string serialize_chain(const std::vector<std::string>& chain);
/// kProtocol: no such message, or an empty chain; kLimit beyond kMaxChainCertificates.
Result<std::vector<std::string>> parse_chain(std::string_view wire);

}  // namespace culvert::xds
