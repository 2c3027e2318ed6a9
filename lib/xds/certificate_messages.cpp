// Certificate requests and chains from and to their wire form.
#include "culvert/xds/certificate_messages.hpp"

#include <algorithm>

#include "citadel.pb.h"
#include "culvert/xds/limits.hpp"

namespace culvert::xds {
namespace {

namespace wire = istio::v1::auth;
constexpr const char* kImpersonated = "ImpersonatedIdentity";

}  // namespace

std::string serialize(const CertificateRequest& request) {
  wire::IstioCertificateRequest out;
  out.set_csr(request.csr_pem);
  out.set_validity_duration(request.validity.count());
  if (!request.identity.empty()) {
    (*out.mutable_metadata()->mutable_fields())[kImpersonated].set_string_value(request.identity);
  }
  return out.SerializeAsString();
}

Result<CertificateRequest> parse_certificate_request(std::string_view bytes) {
  wire::IstioCertificateRequest in;
  if (bytes.size() > kMaxChainBytes ||
      !in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kProtocol, "malformed IstioCertificateRequest", Origin::kClient);
  }
  CertificateRequest out{in.csr(), std::chrono::seconds(in.validity_duration()), {}};
  const auto& fields = in.metadata().fields();
  if (const auto found = fields.find(kImpersonated); found != fields.end()) {
    out.identity = found->second.string_value();
  }
  return out;
}

std::string serialize_chain(const std::vector<std::string>& chain) {
  wire::IstioCertificateResponse out;
  for (const auto& certificate : chain) out.add_cert_chain(certificate);
  return out.SerializeAsString();
}

Result<std::vector<std::string>> parse_chain(std::string_view bytes) {
  wire::IstioCertificateResponse in;
  if (bytes.size() > kMaxChainBytes ||
      !in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kProtocol, "malformed IstioCertificateResponse", Origin::kControl);
  }
  if (in.cert_chain_size() == 0) {
    return fail(ErrorCode::kProtocol, "certificate response without a chain", Origin::kControl);
  }
  if (static_cast<std::size_t>(in.cert_chain_size()) > kMaxChainCertificates) {
    return fail(ErrorCode::kLimit, "certificate chain too long", Origin::kControl);
  }
  return std::vector<std::string>(in.cert_chain().begin(), in.cert_chain().end());
}

}  // namespace culvert::xds
