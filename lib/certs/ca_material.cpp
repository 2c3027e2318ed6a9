// Reads the files of a CA and checks that they belong together.
#include "ca_material.hpp"

#include <openssl/err.h>

#include <algorithm>

#include "culvert/base/fd.hpp"
#include "culvert/tls/context.hpp"
#include "culvert/tls/secret.hpp"
#include "pem.hpp"
#include "verify_chain.hpp"

namespace culvert::certs {
namespace {

using Certificates = std::vector<tls::X509Ptr>;

std::expected<std::string, Diagnostic> read(const std::string& path) {
  auto text = read_file(path, tls::kMaxPemBytes);
  if (!text) return bad_file(path, text.error().to_string());
  return std::move(*text);
}

std::expected<Certificates, Diagnostic> read_certificates(const std::string& path) {
  const auto text = read(path);
  if (!text) return std::unexpected(text.error());
  auto certificates = tls::read_certificates(*text);
  if (!certificates) return bad_file(path, certificates.error().text);
  return std::move(*certificates);
}

std::expected<tls::KeyPtr, Diagnostic> read_key(const std::string& path) {
  auto text = read(path);
  if (!text) return std::unexpected(text.error());
  auto key = tls::read_private_key(*text);
  tls::wipe_bytes(text->data(), text->size());
  if (!key) return bad_file(path, key.error().text);
  if (EVP_PKEY_is_a(key->get(), "RSA") != 1 && EVP_PKEY_is_a(key->get(), "EC") != 1) {
    return bad_file(path, "the CA's key is neither RSA nor EC");
  }
  return std::move(*key);
}

bool is_self_signed(X509& certificate) {
  return (X509_get_extension_flags(&certificate) & EXFLAG_SS) != 0;
}

// The chain file may repeat the signing certificate and end in the root, or hold neither.
std::vector<std::string> chain_above(const CaMaterial& material, const Certificates& chain,
                                     const Certificates& roots) {
  std::vector<std::string> above;
  if (!is_self_signed(*material.certificate)) {
    above.push_back(tls::write_certificate(*material.certificate));
  }
  for (const auto& each : chain) {
    if (is_self_signed(*each) || X509_cmp(each.get(), material.certificate.get()) == 0) continue;
    above.push_back(tls::write_certificate(*each));
  }
  for (const auto& root : roots) above.push_back(tls::write_certificate(*root));
  return above;
}

const char* chain_problem(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the CA certificate or one above it has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the CA certificate or one above it is not yet valid";
    default:
      return "the CA certificate does not lead to the root through the chain file";
  }
}

}  // namespace

MaterialResult read_material(const CaFiles& files, std::chrono::system_clock::time_point now) {
  auto signing = read_certificates(files.ca_cert);
  if (!signing) return std::unexpected(signing.error());
  auto key = read_key(files.ca_key);
  if (!key) return std::unexpected(key.error());
  auto roots = read_certificates(files.root_cert);
  if (!roots) return std::unexpected(roots.error());
  Certificates chain;
  if (!files.cert_chain.empty()) {
    auto given = read_certificates(files.cert_chain);
    if (!given) return std::unexpected(given.error());
    chain = std::move(*given);
  }

  CaMaterial out;
  out.certificate = std::move(signing->front());
  out.key = std::move(*key);
  const bool fits = X509_check_private_key(out.certificate.get(), out.key.get()) == 1;
  ERR_clear_error();
  if (!fits) return bad_file(files.ca_key, "the key is not the one of " + files.ca_cert);
  if (X509_check_ca(out.certificate.get()) != 1) {
    return bad_file(files.ca_cert, "the certificate may not sign others (no CA)");
  }
  const int error = verify_chain(*out.certificate, chain, *roots, now);
  if (error != X509_V_OK) return bad_file(files.ca_cert, chain_problem(error));

  out.not_after = tls::to_time_point(X509_get0_notAfter(out.certificate.get()));
  for (const auto& each : chain) {
    out.not_after = std::min(out.not_after, tls::to_time_point(X509_get0_notAfter(each.get())));
  }
  out.above = chain_above(out, chain, *roots);
  for (const auto& root : *roots) out.roots += tls::write_certificate(*root);
  return out;
}

}  // namespace culvert::certs
