// CertificateAuthority: opens or makes the root, and signs leaves.
#include "culvert/certs/certificate_authority.hpp"

#include <openssl/err.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "ca_material.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/tls/spiffe_id.hpp"
#include "pem.hpp"
#include "read_request.hpp"
#include "x509_build.hpp"

namespace culvert::certs {

struct CertificateAuthority::Impl {
  CaMaterial material;
};

namespace {

using TimePoint = std::chrono::system_clock::time_point;

bool fill_leaf(X509& leaf, const CaMaterial& ca, EVP_PKEY* key, const std::string& identity,
               TimePoint not_before, TimePoint not_after) {
  const auto san = make_uri_san(identity);
  X509& issuer = *ca.certificate;
  return san && X509_set_version(&leaf, X509_VERSION_3) == 1 && set_random_serial(leaf) &&
         set_validity(leaf, not_before, not_after) && X509_set_pubkey(&leaf, key) == 1 &&
         X509_set_issuer_name(&leaf, X509_get_subject_name(&issuer)) == 1 &&
         X509_add_ext(&leaf, san.get(), -1) == 1 &&
         add_extension(leaf, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(leaf, issuer, NID_key_usage, "critical,digitalSignature") &&
         add_extension(leaf, issuer, NID_ext_key_usage, "serverAuth,clientAuth") &&
         // A CA of others may have no subject key id to point at.
         (X509_get0_subject_key_id(&issuer) == nullptr ||
          add_extension(leaf, issuer, NID_authority_key_identifier, "keyid")) &&
         X509_sign(&leaf, ca.key.get(), EVP_sha256()) > 0;
}

}  // namespace

CertificateAuthority::CertificateAuthority(std::shared_ptr<const Impl> impl)
    : impl_(std::move(impl)) {}

std::expected<CertificateAuthority, Diagnostic> CertificateAuthority::load(const CaFiles& files,
                                                                           TimePoint now) {
  auto material = read_material(files, now);
  if (!material) return std::unexpected(material.error());
  return CertificateAuthority(std::make_shared<const Impl>(Impl{.material = std::move(*material)}));
}

std::expected<CertificateAuthority, Diagnostic> CertificateAuthority::open(
    const std::string& state_dir, const std::string& organization, TimePoint now) {
  const std::string dir = state_dir + "/ca";
  struct stat info{};
  if (::stat(dir.c_str(), &info) != 0) {
    if (errno != ENOENT) return bad_file(dir, fail_errno(errno, "stat").error().to_string());
    if (auto made = make_dirs(state_dir, 0700); !made) {
      return bad_file(state_dir, made.error().to_string());
    }
    if (auto made = create_root(dir, organization, now); !made) {
      return std::unexpected(made.error());
    }
  }
  const CaFiles files{.ca_cert = dir + "/ca-cert.pem",
                      .ca_key = dir + "/ca-key.pem",
                      .cert_chain = {},
                      .root_cert = dir + "/ca-cert.pem"};
  if (::stat(files.ca_key.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
    return bad_file(files.ca_key, "the CA's key is open to others than its owner; chmod 600 it");
  }
  return load(files, now);
}

Result<std::vector<std::string>> CertificateAuthority::sign(std::string_view request_pem,
                                                            std::string_view identity,
                                                            std::chrono::seconds lifetime,
                                                            TimePoint now) const {
  const auto request = read_request(request_pem);
  if (!request) return std::unexpected(request.error());
  const auto id = tls::WorkloadId::parse(identity);
  if (!id) return std::unexpected(id.error());
  const CaMaterial& ca = impl_->material;
  if (now >= ca.not_after) return fail(ErrorCode::kUnavailable, "the CA's certificate has expired");
  if (lifetime <= std::chrono::seconds::zero()) lifetime = kDefaultLifetime;
  lifetime = std::clamp<std::chrono::seconds>(lifetime, kMinLifetime, kDefaultLifetime);
  const TimePoint not_after = std::min<TimePoint>(now + lifetime, ca.not_after);

  const tls::X509Ptr leaf(X509_new());
  const bool made = leaf && fill_leaf(*leaf, ca, X509_REQ_get0_pubkey(request->get()),
                                      id->to_string(), now - kNotBeforeSkew, not_after);
  ERR_clear_error();
  if (!made) return fail(ErrorCode::kTls, "signing a workload certificate");
  std::vector<std::string> chain{tls::write_certificate(*leaf)};
  chain.insert(chain.end(), ca.above.begin(), ca.above.end());
  return chain;
}

const std::string& CertificateAuthority::roots() const {
  return impl_->material.roots;
}
TimePoint CertificateAuthority::not_after() const {
  return impl_->material.not_after;
}

}  // namespace culvert::certs
