// The CA that signs workload certificates: its own root, made at first start, or a given one (the
// files of Istio's `cacerts` secret). Lives in culvert-control.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/diagnostic.hpp"
#include "culvert/base/error.hpp"

namespace culvert::certs {

inline constexpr std::chrono::hours kDefaultLifetime{24};
inline constexpr std::chrono::hours kRootLifetime{24 * 3650};
inline constexpr std::chrono::minutes kNotBeforeSkew{2};  // clocks of peers may be behind ours
inline constexpr std::chrono::seconds kMinLifetime{10};   // shorter requests get this

/// As in the secret `cacerts`: ca-cert.pem, ca-key.pem, cert-chain.pem, root-cert.pem.
struct CaFiles {
  std::string ca_cert;     // the signing certificate, a root or an intermediate
  std::string ca_key;      // its RSA or EC key, not encrypted
  std::string cert_chain;  // from the signing certificate upwards; empty: none between it and root
  std::string root_cert;   // one or more trusted roots
};

/// Immutable; any thread.
class CertificateAuthority {
 public:
  /// Opens STATE_DIR/ca/{ca-cert,ca-key}.pem, or makes them (P-256, ten years, mode 0600, directory
  /// 0700) when STATE_DIR/ca does not exist. Both files appear together or not at all, and files
  /// that exist are never written again; broken ones are an error. `organization` names a new root.
  static std::expected<CertificateAuthority, Diagnostic> open(
      const std::string& state_dir, const std::string& organization,
      std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

  /// Refuses files that do not fit: no CA, another key, a chain that does not lead to the root,
  /// expired. The diagnostic names the file.
  static std::expected<CertificateAuthority, Diagnostic> load(
      const CaFiles& files,
      std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

  /// Signs for `identity`, whatever the request asks for: P-256 leaf, empty subject, critical SAN
  /// with the one URI, both TLS uses, random serial, notBefore two minutes back. `lifetime` zero
  /// means 24 h; longer is cut to 24 h and to the CA's own end. Returns PEM texts: leaf,
  /// intermediates upwards, root(s). kInvalid: see check_signing_request, or `identity` is no
  /// workload's. kUnavailable: the CA has expired.
  Result<std::vector<std::string>> sign(
      std::string_view request_pem, std::string_view identity, std::chrono::seconds lifetime,
      std::chrono::system_clock::time_point now = std::chrono::system_clock::now()) const;

  /// PEM of all trusted roots.
  const std::string& roots() const;
  std::chrono::system_clock::time_point not_after() const;

 private:
  struct Impl;
  explicit CertificateAuthority(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace culvert::certs
